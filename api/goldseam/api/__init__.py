"""The log API over the three tables.

Served by the `goldseam` command; `create_app` builds it for any ASGI server.
"""

from goldseam.api.app import create_app
from goldseam.api.settings import ApiSettings

__all__ = ["ApiSettings", "create_app"]
