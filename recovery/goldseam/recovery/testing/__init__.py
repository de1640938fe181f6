"""A scripted AI provider on loopback, for tests: real HTTP, real faults, no network.

```python
from goldseam.recovery.testing import ScriptedProvider, chat, error

with ScriptedProvider() as provider:
    provider.script(error(429, retry_after=1), chat("Nine"))
    client = OpenAI(base_url=provider.base_url, api_key="test")
    ...
    assert provider.count == 2
```

It speaks the OpenAI HTTP API (chat completions, streamed or not, embeddings, models), Ollama's own
API and Gemini's, with the standard library alone. Replies are frozen values; a rule instead of a
script gives weather that depends on the request only. Closing the provider ends every hang and
every connection.
"""

from goldseam.recovery.testing.gemini import (
    GeminiUsage,
    gemini,
    gemini_blocked,
    gemini_embedding,
    gemini_error,
)
from goldseam.recovery.testing.ollama import ollama, ollama_embedding, ollama_error
from goldseam.recovery.testing.replies import (
    Reply,
    Request,
    Usage,
    chat,
    cut,
    delayed,
    embedding,
    error,
    hang,
    raw,
    stream,
)
from goldseam.recovery.testing.server import ScriptedProvider

__all__ = [
    "GeminiUsage",
    "Reply",
    "Request",
    "ScriptedProvider",
    "Usage",
    "chat",
    "cut",
    "delayed",
    "embedding",
    "error",
    "gemini",
    "gemini_blocked",
    "gemini_embedding",
    "gemini_error",
    "hang",
    "ollama",
    "ollama_embedding",
    "ollama_error",
    "raw",
    "stream",
]
