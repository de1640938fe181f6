"""The log API over the three tables.

Served by the `goldseam` command; `create_app` builds it for any ASGI server, and an application of
one's own takes it in with `app.include_router(ai_logs_router)`.
"""

from goldseam.api.app import ai_logs_router, create_app
from goldseam.api.settings import ApiSettings

__all__ = ["ApiSettings", "ai_logs_router", "create_app"]
