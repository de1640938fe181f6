"""A batch job: classify the lines of standard input, eight at a time, lose none.

    goldseam run --recovery on -- python examples/batch.py < lines.txt

One line of output for each of input, in order; a line that could not be classified says why. The
exit code is 1 if there is one.
"""

import asyncio
import sys

from openai import AsyncOpenAI, OpenAIError

from goldseam.instrumentation import context

AT_A_TIME = 8


async def classify(ai: AsyncOpenAI, line: str, room: asyncio.Semaphore) -> tuple[str, bool]:
    """Return what a line is, and whether that is known."""
    async with room:
        try:
            answer = await ai.chat.completions.create(
                model="gpt-4o-mini",
                messages=[{"role": "user", "content": f"Invoice or order? {line}"}],
            )
        except OpenAIError as error:
            return f"failed: {error}", False
    return answer.choices[0].message.content or "", True


async def main() -> int:
    """Classify all lines; return the exit code."""
    lines = [line.strip() for line in sys.stdin if line.strip()]
    room = asyncio.Semaphore(AT_A_TIME)
    async with AsyncOpenAI() as ai:
        with context(module="batch", task="classify"):
            found = await asyncio.gather(*(classify(ai, line, room) for line in lines))
    for text, _ in found:
        print(text)
    return 0 if all(is_known for _, is_known in found) else 1


sys.exit(asyncio.run(main()))
