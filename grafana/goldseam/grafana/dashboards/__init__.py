"""The dashboards, one module each."""

from typing import Final

from goldseam.grafana.dashboards.cost import COST
from goldseam.grafana.dashboards.errors import ERRORS
from goldseam.grafana.dashboards.health import HEALTH
from goldseam.grafana.dashboards.pipeline import PIPELINE
from goldseam.grafana.dashboards.recovery import RECOVERY
from goldseam.grafana.dashboards.request import REQUEST
from goldseam.grafana.dashboards.requests import REQUESTS
from goldseam.grafana.panels import Dashboard

DASHBOARDS: Final[tuple[Dashboard, ...]] = (
    HEALTH,
    REQUESTS,
    REQUEST,
    ERRORS,
    RECOVERY,
    COST,
    PIPELINE,
)

__all__ = [
    "COST",
    "DASHBOARDS",
    "ERRORS",
    "HEALTH",
    "PIPELINE",
    "RECOVERY",
    "REQUEST",
    "REQUESTS",
]
