"""The openai library, chat completions."""

import base64
import json

from openai import OpenAI

from parts import (
    ANSWER, API_KEY, BASE_URL, CALLS, FACT, FACT_SCHEMA, MODEL, PNG, QUESTION, REASONING, RESULTS, SEEN, SYSTEM, TOLD,
    TOOLS, VECTOR, reported, run, same,
)

client = OpenAI(base_url=BASE_URL, api_key=API_KEY, max_retries=0, timeout=30)
MESSAGES = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}]
FUNCTIONS = [
    {"type": "function", "function": {"name": name, "description": about, "parameters": schema}}
    for name, (about, schema) in TOOLS.items()
]


def ask(messages, **more):
    return client.chat.completions.create(model=MODEL, messages=messages, **more)


def chat():
    answer = ask(MESSAGES)
    same(answer.choices[0].message.content, ANSWER)
    same(answer.choices[0].finish_reason, "stop")
    reported(answer.usage.completion_tokens)


def stream():
    pieces, tokens, finish = [], None, None
    for chunk in ask(MESSAGES, stream=True, stream_options={"include_usage": True}):
        for choice in chunk.choices:
            pieces += [choice.delta.content] if choice.delta.content else []
            finish = choice.finish_reason or finish
        tokens = chunk.usage.completion_tokens if chunk.usage else tokens
    same("".join(pieces), ANSWER)
    same((len(pieces) > 2, finish), (True, "stop"))
    reported(tokens)


def tools(**more):
    messages = [{"role": "user", "content": QUESTION}]
    choice = ask(messages, tools=FUNCTIONS, **more).choices[0]
    same(choice.finish_reason, "tool_calls")
    messages.append(choice.message.model_dump(exclude_none=True))
    finish(messages, [(call.id, call.function.name, call.function.arguments) for call in choice.message.tool_calls], more)


def tools_streamed():
    messages = [{"role": "user", "content": QUESTION}]
    calls = {}
    for chunk in ask(messages, tools=FUNCTIONS, stream=True):
        for delta in (delta for choice in chunk.choices for delta in choice.delta.tool_calls or []):
            if delta.index not in calls:
                same(bool(delta.id and delta.function.name), True)
                calls[delta.index] = [delta.id, delta.function.name, ""]
            calls[delta.index][2] += delta.function.arguments or ""
    same(sorted(calls), [0, 1])
    calls = [tuple(calls[index]) for index in sorted(calls)]
    called = [{"id": id, "type": "function", "function": {"name": name, "arguments": arguments}} for id, name, arguments in calls]
    messages.append({"role": "assistant", "content": None, "tool_calls": called})
    finish(messages, calls, {})


def finish(messages, calls, more):
    same([(name, json.loads(arguments)) for _, name, arguments in calls], CALLS)
    messages += [{"role": "tool", "tool_call_id": id, "content": RESULTS[name]} for id, name, _ in calls]
    same(ask(messages, tools=FUNCTIONS, **more).choices[0].message.content, TOLD)


def images():
    parts = [{"type": "text", "text": QUESTION}, {"type": "image_url", "image_url": {"url": "data:image/png;base64," + PNG}}]
    same(ask([{"role": "user", "content": parts}]).choices[0].message.content, SEEN)


def reasoning():
    message = ask(MESSAGES, reasoning_effort="low").choices[0].message
    same((message.reasoning_content, message.content), (REASONING, ANSWER))
    said = ""
    for chunk in ask(MESSAGES, reasoning_effort="low", stream=True):
        said += "".join(getattr(choice.delta, "reasoning_content", None) or "" for choice in chunk.choices)
    same(said, REASONING)
    tools(reasoning_effort="low")


def schema():
    form = {"type": "json_schema", "json_schema": {"name": "fact", "strict": True, "schema": FACT_SCHEMA}}
    same(json.loads(ask(MESSAGES, response_format=form).choices[0].message.content), FACT)


def embed():
    answer = client.embeddings.create(model=MODEL, input=["three", "words"])
    same([entry.embedding for entry in answer.data], [VECTOR, VECTOR])


def drawn():
    image = ("a.png", base64.b64decode(PNG), "image/png")
    answer = client.images.generate(model=MODEL, prompt="A cat.", n=2)
    same(([entry.b64_json for entry in answer.data], answer.usage.output_tokens), ([PNG, PNG], 544))
    edited = client.images.edit(model=MODEL, prompt="A dog.", image=[image, image])
    same((len(edited.data), edited.usage.input_tokens_details.image_tokens), (1, 301))
    same(len(client.images.create_variation(model=MODEL, image=image, n=3).data), 3)


def spoken():
    with client.audio.speech.with_streaming_response.create(model=MODEL, voice="alloy", input=QUESTION) as answer:
        same(answer.headers["content-type"], "audio/mpeg")
        same(b"".join(answer.iter_bytes())[:3], b"ID3")


def heard():
    sound = ("ä \"1\".mp3", b"ID3\x04\x00\r\n--\xff", "audio/mpeg")
    answer = client.audio.transcriptions.create(
        model=MODEL, file=sound, language="en", timestamp_granularities=["word", "segment"])
    same((answer.text, answer.usage.seconds), ("You said: three words", 3))
    same(client.audio.transcriptions.create(model=MODEL, file=sound, response_format="text"), "You said: three words\n")
    same(client.audio.transcriptions.create(model=MODEL, file=sound, response_format="vtt")[:6], "WEBVTT")
    same(client.audio.translations.create(model=MODEL, file=sound).text, "You said: three words")


run({"chat": chat, "stream": stream, "tools": tools, "tools-streamed": tools_streamed, "images": images,
     "reasoning": reasoning, "schema": schema, "embed": embed, "drawn": drawn, "spoken": spoken, "heard": heard})
