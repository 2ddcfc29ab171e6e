"""A reference agent: it stays connected, takes what it is told into use, asks the model one question, and says so.

usage: agent.py URL TOKEN [CONFIGURATIONS]   ends after so many configurations; without a number, never
"""

import asyncio
import json
import sys

import requests
import websockets


def ask(config):
    """Calls the gateway as an OpenAI-compatible endpoint with the key that came with the configuration."""
    answer = requests.post(
        config["baseUrl"] + "/chat/completions",
        headers={"Authorization": "Bearer " + config["apiKey"]},
        json={"model": config["model"], "messages": [{"role": "user", "content": "Who are you?"}]},
        timeout=60,
    )
    answer.raise_for_status()
    return answer.json()["choices"][0]["message"]["content"]


async def follow(url, token, configurations):
    address = url.replace("http", "ws", 1).rstrip("/") + "/api/agents/ws"
    headers = {"Authorization": "Bearer " + token}
    # Connects again by itself, with growing pauses, whenever the connection is lost.
    async for connection in websockets.connect(address, additional_headers=headers):
        try:
            async for text in connection:
                message = json.loads(text)
                if message["type"] != "llm_config":
                    print("said:", message["payload"]["code"])
                    continue
                config = message["payload"]["config"]
                if config is None:
                    print("nothing to use:", message["payload"]["reason"])
                else:
                    print("uses", config["model"], "->", await asyncio.to_thread(ask, config))
                await connection.send(json.dumps({"type": "ack", "messageId": message["messageId"]}))
                configurations -= 1
                if configurations == 0:
                    return
        except websockets.ConnectionClosed:
            continue


if __name__ == "__main__":
    asyncio.run(follow(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else -1))
