"""What a dashboard is made of, free of any renderer.

`dashboards/` describes, `emit` turns it into Grafana's JSON. SQL uses Grafana's macros and, for
variables, only `${name:sqlstring}`: other forms are quoted differently in different versions.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

GRID_COLUMNS: Final = 24
"""Width of Grafana's grid."""

Kind = Literal["stat", "timeseries", "bargauge", "state-timeline", "table", "traces"]
Format = Literal["table", "time_series"]


class Source(StrEnum):
    """Where a panel's figures come from: the uid of a provisioned data source."""

    POSTGRES = "goldseam-postgres"
    PROMETHEUS = "goldseam-prometheus"
    TEMPO = "goldseam-tempo"


@dataclass(frozen=True, slots=True)
class Threshold:
    """From `value` on, in the panel's unit, the panel has `color`; None is the base."""

    value: float | None
    color: str


@dataclass(frozen=True, slots=True)
class Link:
    """Where a click leads; `url` starts with `/` and uses Grafana's `${__data.fields.name}`."""

    title: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """How one column of a table is shown, or one series of a graph.

    Attributes:
        name: The column's name in the SQL.
        unit: Grafana's unit id; None keeps the panel's.
        links: Where a click on a value leads.
        thresholds: Colours of the text by value.
        width: Pixels; None lets Grafana choose.
    """

    name: str
    unit: str | None = None
    links: tuple[Link, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    width: int | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """One PromQL expression with the name of its lines."""

    legend: str
    promql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One question with the query that answers it: `sql`, `series` or `traceql`.

    Attributes:
        title: Short, without a unit.
        question: What a person learns here; shown as the panel's description.
        kind: How it is drawn.
        sql: One SELECT with Grafana's macros, for PostgreSQL.
        series: Expressions for Prometheus.
        traceql: Expression for Tempo.
        unit: Grafana's unit id, for example `percent`, `ms`, `short`.
        width: Columns of 24.
        height: Rows of Grafana's grid.
        thresholds: Colours by value, the base first; none means no colour.
        columns: What differs from the rest, by column.
        stacked: Draws the lines of a graph on top of each other.
        no_value: Shown when nothing was found.
    """

    title: str
    question: str
    kind: Kind
    sql: str = ""
    series: tuple[Series, ...] = ()
    traceql: str = ""
    unit: str = "short"
    width: int = 6
    height: int = 5
    thresholds: tuple[Threshold, ...] = ()
    columns: tuple[Column, ...] = ()
    stacked: bool = False
    no_value: str = "none"

    @property
    def source(self) -> Source:
        """The data source that understands the query."""
        if self.series:
            return Source.PROMETHEUS
        return Source.TEMPO if self.traceql else Source.POSTGRES

    @property
    def format(self) -> Format:
        """The result format that suits the kind."""
        return "time_series" if self.kind in {"timeseries", "state-timeline"} else "table"


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice above the dashboard, filled by `sql`, one text column, bounded and sorted."""

    name: str
    label: str
    sql: str


@dataclass(frozen=True, slots=True)
class TextBox:
    """A text that a link fills in, or a person."""

    name: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """Marks on every graph: rows of `time`, `timeend` (or NULL), `text` and `tags`."""

    name: str
    color: str
    sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """A page of panels, laid out from left to right in the order given."""

    uid: str
    title: str
    description: str
    panels: tuple[Panel, ...]
    variables: tuple[Variable | TextBox, ...]
    annotations: tuple[Annotation, ...] = ()
    time_from: str = "now-24h"
