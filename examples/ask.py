"""Ask one question. An ordinary program: it knows the openai SDK and nothing of Goldseam.

    goldseam run --recovery on -- python examples/ask.py "four plus five?"

The SDK reads the provider's address and key from OPENAI_BASE_URL and OPENAI_API_KEY.
"""

import sys

from openai import OpenAI

QUESTION = " ".join(sys.argv[1:]) or "four plus five?"

answer = OpenAI(timeout=30).chat.completions.create(
    model="gpt-4o-mini", messages=[{"role": "user", "content": QUESTION}]
)
print(answer.choices[0].message.content)
