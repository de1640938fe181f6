"""The API together with its page, as the commands serve it."""

from fastapi import FastAPI

from goldseam.api import ApiSettings, create_app
from goldseam.grafana import ui


def create_site(settings: ApiSettings) -> FastAPI:
    """Return the API with `/ui/`."""
    app = create_app(settings)
    ui.install(app)
    return app
