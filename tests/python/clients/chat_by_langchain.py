"""The langchain-openai library."""

import importlib.util
import os
import pathlib

from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage

from parts import (
    ANSWER, API_KEY, BASE_URL, CALLS, FACT, FACT_SCHEMA, MODEL, PNG, QUESTION, RESULTS, SEEN, SYSTEM, TOLD, TOOLS, VECTOR,
    reported, run, same,
)

# The library counts tokens with a vocabulary that it would fetch; litellm ships it.
LITELLM = pathlib.Path(importlib.util.find_spec("litellm").origin).parent
os.environ["TIKTOKEN_CACHE_DIR"] = str(LITELLM / "litellm_core_utils" / "tokenizers")

from langchain_openai import ChatOpenAI, OpenAIEmbeddings  # noqa: E402  (reads the variable above)

model = ChatOpenAI(model=MODEL, base_url=BASE_URL, api_key=API_KEY, max_retries=0, timeout=30)
MESSAGES = [SystemMessage(SYSTEM), HumanMessage(QUESTION)]
FUNCTIONS = [
    {"type": "function", "function": {"name": name, "description": about, "parameters": schema}}
    for name, (about, schema) in TOOLS.items()
]


def chat():
    answer = model.invoke(MESSAGES)
    same(answer.content, ANSWER)
    reported(answer.usage_metadata["output_tokens"])


def stream():
    pieces = [chunk.content for chunk in model.stream(MESSAGES) if chunk.content]
    same(("".join(pieces), len(pieces) > 2), (ANSWER, True))


def tools():
    finish(model.bind_tools(FUNCTIONS).invoke([MESSAGES[1]]))


def tools_streamed():
    whole = None
    for chunk in model.bind_tools(FUNCTIONS).stream([MESSAGES[1]]):
        whole = chunk if whole is None else whole + chunk
    finish(whole)


def finish(answer):
    same([(call["name"], call["args"]) for call in answer.tool_calls], CALLS)
    results = [ToolMessage(RESULTS[call["name"]], tool_call_id=call["id"]) for call in answer.tool_calls]
    same(model.bind_tools(FUNCTIONS).invoke([MESSAGES[1], answer, *results]).content, TOLD)


def images():
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + PNG}}
    same(model.invoke([HumanMessage([{"type": "text", "text": QUESTION}, image])]).content, SEEN)


def schema():
    form = {"title": "fact", "description": "A fact.", **FACT_SCHEMA}
    same(model.with_structured_output(form, method="json_schema").invoke(MESSAGES), FACT)


def embed():
    embeddings = OpenAIEmbeddings(model=MODEL, base_url=BASE_URL, api_key=API_KEY, max_retries=0)
    same(embeddings.embed_documents(["three", "words"]), [VECTOR, VECTOR])


run({"chat": chat, "stream": stream, "tools": tools, "tools-streamed": tools_streamed, "images": images,
     "schema": schema, "embed": embed})
