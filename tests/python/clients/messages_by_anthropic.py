"""The anthropic library."""

import json

from anthropic import Anthropic

from parts import (
    ANSWER, API_KEY, BASE_URL, CALLS, FACT, FACT_SCHEMA, MODEL, PNG, QUESTION, REASONING, RESULTS, SEEN, SYSTEM, TOLD,
    TOOLS, reported, run, same,
)

client = Anthropic(base_url=BASE_URL, api_key=API_KEY, max_retries=0, timeout=30)
MESSAGES = [{"role": "user", "content": QUESTION}]
FUNCTIONS = [{"name": name, "description": about, "input_schema": schema} for name, (about, schema) in TOOLS.items()]
THINKING = {"type": "enabled", "budget_tokens": 1024}


def ask(messages, **more):
    return client.messages.create(model=MODEL, max_tokens=2000, messages=messages, **more)


def text(answer):
    return "".join(block.text for block in answer.content if block.type == "text")


def chat():
    answer = ask(MESSAGES, system=SYSTEM)
    same((text(answer), answer.stop_reason), (ANSWER, "end_turn"))
    reported(answer.usage.output_tokens)


def stream():
    with client.messages.stream(model=MODEL, max_tokens=2000, messages=MESSAGES, system=SYSTEM) as events:
        pieces = list(events.text_stream)
        answer = events.get_final_message()
    same(("".join(pieces), len(pieces) > 2, answer.stop_reason), (ANSWER, True, "end_turn"))
    reported(answer.usage.output_tokens)


def tools(**more):
    finish(ask(MESSAGES, tools=FUNCTIONS, **more), more)


def tools_streamed():
    with client.messages.stream(model=MODEL, max_tokens=2000, messages=MESSAGES, tools=FUNCTIONS) as events:
        finish(events.get_final_message(), {})


def finish(answer, more):
    calls = [block for block in answer.content if block.type == "tool_use"]
    same([(call.name, call.input) for call in calls], CALLS)
    same(answer.stop_reason, "tool_use")
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": RESULTS[call.name]} for call in calls]
    called = {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in answer.content]}
    same(text(ask(MESSAGES + [called, {"role": "user", "content": results}], tools=FUNCTIONS, **more)), TOLD)


def images():
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    same(text(ask([{"role": "user", "content": [image, {"type": "text", "text": QUESTION}]}])), SEEN)


def reasoning():
    answer = ask(MESSAGES, system=SYSTEM, thinking=THINKING)
    said = "".join(block.thinking for block in answer.content if block.type == "thinking")
    same((said, text(answer)), (REASONING, ANSWER))
    more = {"model": MODEL, "max_tokens": 2000, "messages": MESSAGES, "thinking": THINKING}
    with client.messages.stream(**more) as events:
        same([block.thinking for block in events.get_final_message().content if block.type == "thinking"], [REASONING])
    tools(thinking=THINKING)


def schema():
    form = {"format": {"type": "json_schema", "schema": FACT_SCHEMA}}
    same(json.loads(text(ask(MESSAGES, output_config=form))), FACT)


def count():
    same(client.messages.count_tokens(model=MODEL, messages=MESSAGES).input_tokens > 0, True)


run({"chat": chat, "stream": stream, "tools": tools, "tools-streamed": tools_streamed, "images": images,
     "reasoning": reasoning, "schema": schema, "count": count})
