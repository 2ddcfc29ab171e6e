"""The openai library, Responses."""

import json

from openai import OpenAI

from parts import (
    ANSWER, API_KEY, BASE_URL, CALLS, FACT, FACT_SCHEMA, MODEL, PNG, QUESTION, REASONING, RESULTS, SEEN, SYSTEM, TOLD,
    TOOLS, reported, run, same,
)

client = OpenAI(base_url=BASE_URL, api_key=API_KEY, max_retries=0, timeout=30)
FUNCTIONS = [
    {"type": "function", "name": name, "description": about, "parameters": schema, "strict": False}
    for name, (about, schema) in TOOLS.items()
]


def ask(items, **more):
    return client.responses.create(model=MODEL, input=items, store=False, **more)


def chat():
    answer = ask(QUESTION, instructions=SYSTEM)
    same((answer.output_text, answer.status), (ANSWER, "completed"))
    reported(answer.usage.output_tokens)


def stream():
    pieces, last, numbers = [], None, []
    for event in ask(QUESTION, instructions=SYSTEM, stream=True):
        numbers.append(event.sequence_number)
        pieces += [event.delta] if event.type == "response.output_text.delta" else []
        last = event
    same(("".join(pieces), len(pieces) > 2), (ANSWER, True))
    same((last.type, last.response.output_text), ("response.completed", ANSWER))
    same(numbers, list(range(len(numbers))))
    reported(last.response.usage.output_tokens)


def tools(**more):
    items = [{"role": "user", "content": QUESTION}]
    finish(items, ask(items, tools=FUNCTIONS, **more).output, more)


def tools_streamed():
    items = [{"role": "user", "content": QUESTION}]
    done = [event.item for event in ask(items, tools=FUNCTIONS, stream=True) if event.type == "response.output_item.done"]
    finish(items, done, {})


def finish(items, output, more):
    calls = [item for item in output if item.type == "function_call"]
    same([(call.name, json.loads(call.arguments)) for call in calls], CALLS)
    items = items + [item.model_dump(exclude_none=True) for item in output]
    items += [{"type": "function_call_output", "call_id": call.call_id, "output": RESULTS[call.name]} for call in calls]
    same(ask(items, tools=FUNCTIONS, **more).output_text, TOLD)


def images():
    parts = [{"type": "input_text", "text": QUESTION}, {"type": "input_image", "image_url": "data:image/png;base64," + PNG}]
    same(ask([{"role": "user", "content": parts}]).output_text, SEEN)


def reasoning():
    more = {"reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"]}
    answer = ask(QUESTION, instructions=SYSTEM, **more)
    said = [part.text for item in answer.output if item.type == "reasoning" for part in item.summary]
    same(("".join(said), answer.output_text), (REASONING, ANSWER))
    events = ask(QUESTION, instructions=SYSTEM, stream=True, **more)
    said = [event.delta for event in events if event.type == "response.reasoning_summary_text.delta"]
    same("".join(said), REASONING)
    tools(**more)


def schema():
    form = {"format": {"type": "json_schema", "name": "fact", "strict": True, "schema": FACT_SCHEMA}}
    same(json.loads(ask(QUESTION, text=form).output_text), FACT)


def stored():
    first = client.responses.create(model=MODEL, input=QUESTION, tools=FUNCTIONS)
    outputs = [
        {"type": "function_call_output", "call_id": item.call_id, "output": RESULTS[item.name]}
        for item in first.output if item.type == "function_call"
    ]
    same(client.responses.create(model=MODEL, input=outputs, previous_response_id=first.id).output_text, TOLD)


run({"chat": chat, "stream": stream, "tools": tools, "tools-streamed": tools_streamed, "images": images,
     "reasoning": reasoning, "schema": schema, "stored": stored})
