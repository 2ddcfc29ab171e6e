"""Swaps the model or the prompt of a conversation with an agent, and asks it something, by the agent-to-agent protocol.

usage: a2a_hot_swap.py [--url URL] [--model PROVIDER MODEL | --model PROVIDER/MODEL] [--prompt TEXT] [--config]
                       [--message TEXT] [--context ID] [--token TOKEN] [--stream] [--timeout SECONDS]

It runs with both lines of the library: 0.3 by its own client, and 0.2 by the older one.
"""

import argparse
import asyncio
import sys
import uuid

import httpx
from a2a.client import A2ACardResolver, A2AClient
from a2a.types import Message, MessageSendParams, SendMessageRequest, SendStreamingMessageRequest

try:
    from a2a.client import ClientConfig, ClientFactory
except ImportError:
    ClientFactory = None


def arguments():
    parser = argparse.ArgumentParser(description="Swap an agent's model or prompt without a restart.")
    parser.add_argument("--url", default="http://localhost:10900/a2a/litellm_agent")
    parser.add_argument("--model", nargs="+", metavar="NAME", help="provider/model, or the provider and the model")
    parser.add_argument("--prompt", help="the system's prompt; an empty one clears it")
    parser.add_argument("--config", action="store_true", help="ask how the conversation stands")
    parser.add_argument("--message", help="what to ask in the end")
    parser.add_argument("--context", default=None, help="the conversation; a new one without it")
    parser.add_argument("--token", help="a virtual key, or the agent's token")
    parser.add_argument("--stream", action="store_true", help="have the answer streamed")
    parser.add_argument("--timeout", type=float, default=60.0)
    told = parser.parse_args()
    if told.model and len(told.model) > 2:
        parser.error("--model takes provider/model, or the provider and the model")
    return told


def texts(told):
    """What is said to the agent, in the order in which it is said."""
    if told.model:
        yield f"[HOTSWAP:MODEL:{'/'.join(told.model)}]"
    if told.prompt is not None:
        yield f"[HOTSWAP:PROMPT:{told.prompt}]"
    if told.config:
        yield "[HOTSWAP:GET_CONFIG]"
    if told.message:
        yield told.message


def message(text, context):
    parts = [{"kind": "text", "text": text}]
    return {"role": "user", "messageId": uuid.uuid4().hex, "contextId": context, "parts": parts}


def params(text, context):
    return MessageSendParams.model_validate({"message": message(text, context)})


def text_of(parts):
    return "".join(part.root.text for part in parts if part.root.kind == "text")


def refuse(answer):
    error = getattr(answer.root, "error", None)
    if error is not None:
        raise SystemExit(f"refused: {error.code} {error.message}")
    return answer.root.result


def check_stream(kinds, ended):
    if kinds[0] != "task" or ended != "completed":
        raise SystemExit(f"the stream was {kinds}, and ended {ended}")


async def by_factory(http, card, streams, text, context):
    """The client of 0.3: it asks the card how to call, and puts the pieces of an artifact together."""
    client = ClientFactory(ClientConfig(httpx_client=http, streaming=streams)).create(card)
    kinds, task = [], None
    async for event in client.send_message(Message.model_validate(message(text, context))):
        if isinstance(event, Message):
            if event.context_id != context:
                raise SystemExit("the answer is of another conversation")
            return text_of(event.parts)
        task, update = event
        kinds.append("task" if update is None else update.kind)
    check_stream(kinds, task.status.state.value)
    return "".join(text_of(artifact.parts) for artifact in task.artifacts)


async def send(client, text, context):
    request = SendMessageRequest(id=uuid.uuid4().hex, params=params(text, context))
    result = refuse(await client.send_message(request))
    if result.context_id != context:
        raise SystemExit("the answer is of another conversation")
    return text_of(result.parts)


async def stream(client, text, context):
    request = SendStreamingMessageRequest(id=uuid.uuid4().hex, params=params(text, context))
    pieces, kinds, ended = [], [], None
    async for answer in client.send_message_streaming(request):
        result = refuse(answer)
        kinds.append(result.kind)
        if result.kind == "message":
            return text_of(result.parts)
        if result.kind == "artifact-update":
            pieces.append(text_of(result.artifact.parts))
        if result.kind == "status-update" and result.final:
            ended = result.status.state.value
    check_stream(kinds, ended)
    return "".join(pieces)


async def main():
    told = arguments()
    context = told.context or uuid.uuid4().hex
    headers = {"Authorization": f"Bearer {told.token}"} if told.token else {}
    async with httpx.AsyncClient(headers=headers, timeout=told.timeout) as http:
        card = await A2ACardResolver(http, told.url).get_agent_card()
        for text in texts(told):
            if ClientFactory:
                print(await by_factory(http, card, told.stream, text, context))
            else:
                client = A2AClient(http, agent_card=card)
                print(await (stream if told.stream else send)(client, text, context))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
