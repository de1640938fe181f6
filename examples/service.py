"""Ask through AIService: stored and mended because a database is given, and nothing else set up.

    goldseam db upgrade --database-url postgresql://…
    python examples/service.py postgresql://…

Asks Ollama, then OpenAI; GOLDSEAM_ENVIRONMENT=production asks OVHcloud, then OpenAI.
"""

import asyncio
import sys

from goldseam.instrumentation.service import AIService, AITask


async def main(database_url: str) -> int:
    """Ask one question; return the program's exit code."""
    response = await AIService.query(
        task=AITask.ANALYSIS,
        prompt="four plus five?",
        db=database_url,
        module="examples",
        tenant_id="acme",
    )
    await AIService.aclose()
    if response.is_error:
        print(f"failed: {response.error}")
        return 1
    print(response.content)
    print(f"from {response.provider}/{response.model}, trace {response.trace_id}")
    return 0


sys.exit(asyncio.run(main(sys.argv[1])))
