"""A FastAPI application with tenants: every AI call carries whose it is.

    goldseam run --recovery on -- uvicorn --app-dir examples fastapi_tenants:app --port 8080
    curl 'http://localhost:8080/ask?question=four+plus+five' -H 'X-Tenant: acme'

The header stands for what an authentication would have found out.
"""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response
from openai import AsyncOpenAI

from goldseam.instrumentation import annotate, context

app = FastAPI()
ai = AsyncOpenAI()


@app.middleware("http")
async def for_whom(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    """Say for whom everything below is done."""
    with context(tenant_id=request.headers.get("x-tenant"), module="shop"):
        return await call_next(request)


@app.get("/ask")
async def ask(question: str) -> dict[str, str | None]:
    """Answer a question, and note that nobody has complained yet."""
    with context(task="answer"):
        answer = await ai.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": question}]
        )
        annotate(user_feedback="delivered")
    return {"answer": answer.choices[0].message.content}
