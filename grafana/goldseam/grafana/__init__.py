"""Dashboards as code: panels are Python objects, `emit` writes them as Grafana's JSON.

The panels read the views of schema `reporting` as role `grafana_ro`, and Prometheus and Tempo.
"""

from goldseam.grafana.dashboards import DASHBOARDS
from goldseam.grafana.panels import (
    Annotation,
    Column,
    Dashboard,
    Link,
    Panel,
    Series,
    Source,
    TextBox,
    Threshold,
    Variable,
)

__all__ = [
    "DASHBOARDS",
    "Annotation",
    "Column",
    "Dashboard",
    "Link",
    "Panel",
    "Series",
    "Source",
    "TextBox",
    "Threshold",
    "Variable",
]
