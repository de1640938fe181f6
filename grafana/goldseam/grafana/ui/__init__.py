"""The built-in page: the dashboards without Grafana, a list of calls, and what to do about errors.

The `goldseam` command puts it beside the API with `install`; it shows the panels of `dashboards`
and asks the API for the rest.
"""

from goldseam.grafana.ui.app import install

__all__ = ["install"]
