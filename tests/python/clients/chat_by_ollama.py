"""The ollama library."""

import json

from ollama import Client

from parts import (
    ANSWER, API_KEY, BASE_URL, CALLS, FACT, FACT_SCHEMA, MODEL, PNG, QUESTION, REASONING, RESULTS, SEEN, SYSTEM, TOLD,
    TOOLS, VECTOR, reported, run, same,
)

client = Client(host=BASE_URL, headers={"Authorization": f"Bearer {API_KEY}"}, timeout=30)
MESSAGES = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}]
FUNCTIONS = [
    {"type": "function", "function": {"name": name, "description": about, "parameters": schema}}
    for name, (about, schema) in TOOLS.items()
]


def ask(messages, **more):
    return client.chat(model=MODEL, messages=messages, **more)


def chat():
    answer = ask(MESSAGES)
    same((answer.message.content, answer.done_reason), (ANSWER, "stop"))
    reported(answer.eval_count)


def stream():
    parts = list(ask(MESSAGES, stream=True))
    pieces = [part.message.content for part in parts if part.message.content]
    same(("".join(pieces), len(pieces) > 2, parts[-1].done), (ANSWER, True, True))
    reported(parts[-1].eval_count)


def tools(**more):
    finish([ask([MESSAGES[1]], tools=FUNCTIONS, **more).message], more)


def tools_streamed():
    finish([part.message for part in ask([MESSAGES[1]], tools=FUNCTIONS, stream=True)], {})


def finish(said, more):
    calls = [call for message in said for call in message.tool_calls or []]
    same([(call.function.name, dict(call.function.arguments)) for call in calls], CALLS)
    called = {"role": "assistant", "content": "", "tool_calls": [call.model_dump(exclude_none=True) for call in calls]}
    names = [call.function.name for call in calls]
    results = [{"role": "tool", "tool_name": name, "content": RESULTS[name]} for name in names]
    same(ask([MESSAGES[1], called, *results], tools=FUNCTIONS, **more).message.content, TOLD)


def images():
    same(ask([{"role": "user", "content": QUESTION, "images": [PNG]}]).message.content, SEEN)


def reasoning():
    message = ask(MESSAGES, think=True).message
    same((message.thinking, message.content), (REASONING, ANSWER))
    same("".join(part.message.thinking or "" for part in ask(MESSAGES, think=True, stream=True)), REASONING)
    tools(think=True)


def schema():
    same(json.loads(ask(MESSAGES, format=FACT_SCHEMA).message.content), FACT)


def embed():
    same([list(vector) for vector in client.embed(model=MODEL, input=["three", "words"]).embeddings], [VECTOR, VECTOR])


run({"chat": chat, "stream": stream, "tools": tools, "tools-streamed": tools_streamed, "images": images,
     "reasoning": reasoning, "schema": schema, "embed": embed})
