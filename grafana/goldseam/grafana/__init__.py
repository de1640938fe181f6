"""Dashboards as code: panels are Python objects, `emit` writes them as Grafana's JSON.

The panels read the views of schema `reporting` as role `grafana_ro`.
"""

from goldseam.grafana.dashboards import DASHBOARDS
from goldseam.grafana.panels import Dashboard, Panel, Threshold, Variable

__all__ = ["DASHBOARDS", "Dashboard", "Panel", "Threshold", "Variable"]
