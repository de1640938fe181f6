"""A chat on the terminal, word by word. Knows the openai SDK and nothing of Goldseam.

    goldseam run --recovery on -- python examples/streaming_chat.py

A provider that fails before its first word is replaced by another; after it, the error is shown and
the chat goes on. An empty line ends it.
"""

import sys

from openai import OpenAI, OpenAIError
from openai.types.chat import ChatCompletionMessageParam

ai = OpenAI()
said: list[ChatCompletionMessageParam] = []

for line in sys.stdin:
    if not line.strip():
        break
    said.append({"role": "user", "content": line.strip()})
    words = ""
    try:
        with ai.chat.completions.create(model="gpt-4o-mini", messages=said, stream=True) as stream:
            for chunk in stream:
                word = chunk.choices[0].delta.content or "" if chunk.choices else ""
                print(word, end="", flush=True)
                words += word
    except OpenAIError as error:
        print(f"\n[{error}]", end="")
    print()
    said.append({"role": "assistant", "content": words})
