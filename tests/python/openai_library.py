"""Speaks to OPENAI_BASE_URL with the openai library as anyone would: a chat, a streamed chat, an embedding."""

import sys

from openai import OpenAI

model = sys.argv[1]
client = OpenAI(max_retries=0, timeout=30)
messages = [{"role": "user", "content": "Say three words."}]

answer = client.chat.completions.create(model=model, messages=messages)
print("chat:", answer.choices[0].message.content)

text, tokens = "", None
options = {"include_usage": True}
for chunk in client.chat.completions.create(model=model, messages=messages, stream=True, stream_options=options):
    text += "".join(choice.delta.content or "" for choice in chunk.choices)
    tokens = chunk.usage.completion_tokens if chunk.usage else tokens
print("stream:", text)
print("tokens:", tokens)

print("embedding:", client.embeddings.create(model=model, input="three words").data[0].embedding)
