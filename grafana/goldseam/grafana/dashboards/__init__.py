"""The dashboards, one module each."""

from typing import Final

from goldseam.grafana.dashboards.health import HEALTH
from goldseam.grafana.panels import Dashboard

DASHBOARDS: Final[tuple[Dashboard, ...]] = (HEALTH,)

__all__ = ["DASHBOARDS", "HEALTH"]
