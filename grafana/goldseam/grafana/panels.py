"""What a dashboard is made of, free of any renderer.

`dashboards/` describes, `emit` turns it into Grafana's JSON. SQL uses Grafana's macros and, for
variables, only `${name:sqlstring}`: other forms are quoted differently in different versions.
"""

from dataclasses import dataclass
from typing import Final, Literal

GRID_COLUMNS: Final = 24
"""Width of Grafana's grid."""

Kind = Literal["stat", "timeseries", "barchart", "table"]
Format = Literal["table", "time_series"]


@dataclass(frozen=True, slots=True)
class Threshold:
    """From `value` on, in the panel's unit, the panel has `color`; None is the base."""

    value: float | None
    color: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One question with the SQL that answers it.

    Attributes:
        title: Short, without a unit.
        question: What a person learns here; shown as the panel's description.
        kind: How it is drawn.
        sql: One SELECT with Grafana's macros.
        unit: Grafana's unit id, for example `percent`, `ms`, `short`.
        width: Columns of 24.
        height: Rows of Grafana's grid.
        thresholds: Colours by value, the base first; none means no colour.
        no_value: Shown when nothing was found.
    """

    title: str
    question: str
    kind: Kind
    sql: str
    unit: str = "short"
    width: int = 6
    height: int = 5
    thresholds: tuple[Threshold, ...] = ()
    no_value: str = "none"

    @property
    def format(self) -> Format:
        """The result format that suits the kind."""
        return "time_series" if self.kind == "timeseries" else "table"


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice above the dashboard, filled by `sql`, one text column, bounded and sorted."""

    name: str
    label: str
    sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """A page of panels, laid out from left to right in the order given."""

    uid: str
    title: str
    description: str
    panels: tuple[Panel, ...]
    variables: tuple[Variable, ...]
    time_from: str = "now-24h"
