"""A scripted AI provider on loopback, for tests: real HTTP, real faults, no network.

```python
from goldseam.recovery.testing import ScriptedProvider, chat, error

with ScriptedProvider() as provider:
    provider.script(error(429, retry_after=1), chat("Nine"))
    client = OpenAI(base_url=provider.base_url, api_key="test")
    ...
    assert provider.count == 2
```

It speaks OpenAI's HTTP API (chat completions, responses and completions, streamed or not,
embeddings, models), Anthropic's messages, Ollama's own API and Gemini's, with the standard library
alone. Replies are frozen values; a rule instead of a script gives weather that depends on the
request only. Closing the provider ends every hang and every connection.
"""

from goldseam.recovery.testing.gemini import (
    GeminiUsage,
    gemini,
    gemini_blocked,
    gemini_embedding,
    gemini_error,
)
from goldseam.recovery.testing.messages import MessageUsage, message, message_error
from goldseam.recovery.testing.ollama import ollama, ollama_embedding, ollama_error
from goldseam.recovery.testing.replies import (
    Reply,
    Request,
    Usage,
    chat,
    completion,
    cut,
    delayed,
    embedding,
    error,
    hang,
    raw,
    stream,
)
from goldseam.recovery.testing.responses import ResponseUsage, response
from goldseam.recovery.testing.server import ScriptedProvider

__all__ = [
    "GeminiUsage",
    "MessageUsage",
    "Reply",
    "Request",
    "ResponseUsage",
    "ScriptedProvider",
    "Usage",
    "chat",
    "completion",
    "cut",
    "delayed",
    "embedding",
    "error",
    "gemini",
    "gemini_blocked",
    "gemini_embedding",
    "gemini_error",
    "hang",
    "message",
    "message_error",
    "ollama",
    "ollama_embedding",
    "ollama_error",
    "raw",
    "response",
    "stream",
]
