"""An ordinary program that asks an AI provider many questions. It knows nothing of Goldseam.

`goldseam demo` starts it the way any program is started under `goldseam run`. The provider's
address and key come from OPENAI_BASE_URL and OPENAI_API_KEY, as the SDK reads them.
"""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor

from openai import AsyncOpenAI, OpenAI, OpenAIError

MODEL = "gpt-4o-mini"
TIMEOUT_S = 1.0
AT_ONCE = 6


def question(number: int) -> str:
    """Word the question with this number."""
    return f"Question {number}: how much is {number} plus {number}?"


def report(number: int, outcome: str) -> None:
    """Print one line a call, for whoever watches."""
    sys.stdout.write(f"{number} {outcome}\n")
    sys.stdout.flush()


def ask(client: OpenAI, number: int) -> None:
    """Ask one question and wait for the answer."""
    try:
        answer = client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": question(number)}], max_tokens=50
        )
        report(number, f"ok {answer.choices[0].message.content}")
    except OpenAIError as error:
        report(number, f"failed {type(error).__name__}")


async def ask_async(client: AsyncOpenAI, number: int, turn: asyncio.Semaphore) -> None:
    """Ask one question without blocking the others."""
    async with turn:
        try:
            answer = await client.chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": question(number)}], max_tokens=50
            )
            report(number, f"ok {answer.choices[0].message.content}")
        except OpenAIError as error:
            report(number, f"failed {type(error).__name__}")


async def ask_all_async(numbers: range) -> None:
    """Ask the questions, a few at once."""
    turn = asyncio.Semaphore(AT_ONCE)
    async with AsyncOpenAI(timeout=TIMEOUT_S) as client:
        await asyncio.gather(*(ask_async(client, number, turn) for number in numbers))


def main() -> None:
    """Ask half of the questions from threads and half from an event loop."""
    calls = int(sys.argv[1])
    with OpenAI(timeout=TIMEOUT_S) as client, ThreadPoolExecutor(AT_ONCE) as pool:
        for number in range(calls // 2):
            pool.submit(ask, client, number)
    asyncio.run(ask_all_async(range(calls // 2, calls)))


if __name__ == "__main__":
    main()
