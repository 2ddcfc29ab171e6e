"""The litellm library as a client: of a gateway (`litellm_proxy/MODEL`), or of a vendor by its prefix."""

import json

from parts import (
    ANSWER, API_KEY, BASE_URL, CALLS, MODEL, QUESTION, RESULTS, SYSTEM, TOLD, TOOLS, VECTOR, reported, run, same,
)

import litellm  # noqa: E402  (reads what `parts` set)

litellm.suppress_debug_info = True
MESSAGES = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}]
FUNCTIONS = [
    {"type": "function", "function": {"name": name, "description": about, "parameters": schema}}
    for name, (about, schema) in TOOLS.items()
]
SERVER = {"api_base": BASE_URL, "api_key": API_KEY, "timeout": 30}


def ask(messages, **more):
    return litellm.completion(model=MODEL, messages=messages, num_retries=0, **SERVER, **more)


def chat():
    answer = ask(MESSAGES)
    same((answer.choices[0].message.content, answer.choices[0].finish_reason), (ANSWER, "stop"))
    reported(answer.usage.completion_tokens)


def stream():
    pieces, tokens = [], None
    for chunk in ask(MESSAGES, stream=True, stream_options={"include_usage": True}):
        pieces += [choice.delta.content for choice in chunk.choices if choice.delta.content]
        usage = getattr(chunk, "usage", None)
        tokens = usage.completion_tokens if usage else tokens
    same(("".join(pieces), len(pieces) > 2), (ANSWER, True))
    reported(tokens)


def tools():
    messages = [MESSAGES[1]]
    finish(messages, ask(messages, tools=FUNCTIONS).choices[0].message)


def tools_streamed():
    messages = [MESSAGES[1]]
    chunks = list(ask(messages, tools=FUNCTIONS, stream=True))
    finish(messages, litellm.stream_chunk_builder(chunks).choices[0].message)


def finish(messages, message):
    calls = message.tool_calls
    same([(call.function.name, json.loads(call.function.arguments)) for call in calls], CALLS)
    results = [{"role": "tool", "tool_call_id": call.id, "content": RESULTS[call.function.name]} for call in calls]
    answer = ask([*messages, message.model_dump(exclude_none=True), *results], tools=FUNCTIONS)
    same(answer.choices[0].message.content, TOLD)


def embed():
    answer = litellm.embedding(model=MODEL, input=["three", "words"], **SERVER)
    same([entry["embedding"] for entry in answer.data], [VECTOR, VECTOR])


run({"chat": chat, "stream": stream, "tools": tools, "tools-streamed": tools_streamed, "embed": embed})
