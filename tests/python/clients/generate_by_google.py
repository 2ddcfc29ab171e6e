"""The google-genai library."""

import base64
import json

from google import genai
from google.genai import types

from parts import (
    ANSWER, API_KEY, BASE_URL, CALLS, FACT, FACT_SCHEMA, MODEL, PNG, QUESTION, REASONING, RESULTS, SEEN, SYSTEM, TOLD,
    TOOLS, VECTOR, run, same,
)

client = genai.Client(api_key=API_KEY, http_options=types.HttpOptions(base_url=BASE_URL, timeout=30_000))
OFF = types.AutomaticFunctionCallingConfig(disable=True)
FUNCTIONS = [types.Tool(function_declarations=[
    types.FunctionDeclaration(name=name, description=about, parameters_json_schema=schema)
    for name, (about, schema) in TOOLS.items()
])]
THINKING = types.ThinkingConfig(include_thoughts=True)


def ask(contents, **more):
    config = types.GenerateContentConfig(automatic_function_calling=OFF, **more)
    return client.models.generate_content(model=MODEL, contents=contents, config=config)


def ask_streamed(contents, **more):
    config = types.GenerateContentConfig(automatic_function_calling=OFF, **more)
    return client.models.generate_content_stream(model=MODEL, contents=contents, config=config)


def parts_of(chunk):
    content = chunk.candidates[0].content if chunk.candidates else None
    return (content.parts if content else None) or []


def spoken(parts, thought=False):
    return "".join(part.text or "" for part in parts if bool(part.thought) == thought)


def chat():
    answer = ask(QUESTION, system_instruction=SYSTEM)
    same((answer.text, answer.candidates[0].finish_reason), (ANSWER, types.FinishReason.STOP))
    same(answer.usage_metadata.candidates_token_count, 13)


def stream():
    chunks = list(ask_streamed(QUESTION, system_instruction=SYSTEM))
    pieces = [spoken(parts_of(chunk)) for chunk in chunks]
    same(("".join(pieces), len([piece for piece in pieces if piece]) > 2), (ANSWER, True))
    same(chunks[-1].candidates[0].finish_reason, types.FinishReason.STOP)
    same(chunks[-1].usage_metadata.candidates_token_count, 13)


def tools(**more):
    finish(parts_of(ask(QUESTION, tools=FUNCTIONS, **more)), more)


def tools_streamed():
    finish([part for chunk in ask_streamed(QUESTION, tools=FUNCTIONS) for part in parts_of(chunk)], {})


def finish(parts, more):
    calls = [part.function_call for part in parts if part.function_call]
    same([(call.name, call.args or {}) for call in calls], CALLS)
    results = [
        types.Part(function_response=types.FunctionResponse(id=call.id, name=call.name, response={"result": RESULTS[call.name]}))
        for call in calls
    ]
    asked = types.Content(role="user", parts=[types.Part(text=QUESTION)])
    parts = [part for part in parts if part.function_call or part.text]
    called = types.Content(role="model", parts=parts)
    answer = ask([asked, called, types.Content(role="user", parts=results)], tools=FUNCTIONS, **more)
    same(spoken(parts_of(answer)), TOLD)


def images():
    image = types.Part.from_bytes(data=base64.b64decode(PNG), mime_type="image/png")
    same(ask([image, QUESTION]).text, SEEN)


def reasoning():
    parts = parts_of(ask(QUESTION, system_instruction=SYSTEM, thinking_config=THINKING))
    same((spoken(parts, thought=True), spoken(parts)), (REASONING, ANSWER))
    parts = [part for chunk in ask_streamed(QUESTION, thinking_config=THINKING) for part in parts_of(chunk)]
    same(spoken(parts, thought=True), REASONING)
    tools(thinking_config=THINKING)


def schema():
    answer = ask(QUESTION, response_mime_type="application/json", response_json_schema=FACT_SCHEMA)
    same(json.loads(answer.text), FACT)


def embed():
    answer = client.models.embed_content(model=MODEL, contents=["three", "words"])
    same([entry.values for entry in answer.embeddings][0], VECTOR)


def count():
    same(client.models.count_tokens(model=MODEL, contents=QUESTION).total_tokens > 0, True)


run({"chat": chat, "stream": stream, "tools": tools, "tools-streamed": tools_streamed, "images": images,
     "reasoning": reasoning, "schema": schema, "embed": embed, "count": count})
