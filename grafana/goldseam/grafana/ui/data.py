"""`/ui/data/…`: what the panels, variables and marks of a page show, for whoever presents the key.

Queries run in a read-only transaction of the API's role, through the views of schema `reporting`,
with the key's tenant set: row level security decides what is seen, the variables only narrow it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from goldseam.api.deps import CallerOf, Connection, needs
from goldseam.api.parameters import NO_NUL, TEXT_MAX
from goldseam.api.problems import Invalid, NotFound, ProblemRoute
from goldseam.grafana.dashboards.common import OPTIONS_MAX
from goldseam.grafana.dashboards.sources import ANY
from goldseam.grafana.macros import expand
from goldseam.grafana.panels import Dashboard, Panel, Source, TextBox, Variable
from goldseam.grafana.ui import frames
from goldseam.grafana.ui.pages import PAGES
from goldseam.grafana.ui.ranges import Range, RangeError, parse
from goldseam.storage.engine import tenant_of
from goldseam.storage.keys import Scope

router = APIRouter(
    prefix="/ui/data",
    route_class=ProblemRoute,
    include_in_schema=False,
    dependencies=[needs(each) for each in (Scope.LOGS_READ, Scope.STATS_READ, Scope.ERRORS_READ)],
)

Json = dict[str, Any]
Values = Mapping[str, list[str]]


def _page(slug: str) -> Dashboard:
    if slug not in PAGES:
        raise NotFound(f"page {slug!r}")
    return PAGES[slug]


def _range(
    start: Annotated[str, Query(alias="from", max_length=40)] = "now-24h",
    end: Annotated[str, Query(alias="to", max_length=40)] = "now",
) -> Range:
    try:
        return parse(start, end, now=datetime.now(UTC))
    except RangeError as error:
        raise Invalid("from, to", str(error), place="query") from error


Within = Annotated[Range, Depends(_range)]


def _values(request: Request, page: Annotated[Dashboard, Depends(_page)]) -> Values:
    """Return what the address chooses for each variable; nothing chosen means anything."""
    return {variable.name: _chosen(request, variable) for variable in page.variables}


ValuesOf = Annotated[Values, Depends(_values)]


def _chosen(request: Request, variable: Variable | TextBox) -> list[str]:
    name = f"var-{variable.name}"
    given = request.query_params.getlist(name)
    if len(given) > OPTIONS_MAX or any(len(each) > TEXT_MAX or "\0" in each for each in given):
        reason = f"at most {OPTIONS_MAX} texts of {TEXT_MAX} characters"
        raise Invalid(name, reason, place="query")
    if isinstance(variable, TextBox):
        return given[:1] or [""]
    return given or [ANY]


@router.get("/{slug}/panels/{number}")
async def panel(
    connection: Connection,
    page: Annotated[Dashboard, Depends(_page)],
    within: Within,
    values: ValuesOf,
    number: Annotated[int, Path(ge=1)],
) -> JSONResponse:
    """Run a panel's query; panels count from 1, as in Grafana's JSON."""
    asked = page.panels[number - 1] if number <= len(page.panels) else None
    if asked is None or asked.source is not Source.POSTGRES:
        raise NotFound(f"panel {number} with a query on the tables")
    names, rows = await _run(connection, asked.sql, within, values)
    return _answer(within, _frame(asked, names, rows, within))


@router.get("/{slug}/variables/{name}")
async def options(
    connection: Connection,
    page: Annotated[Dashboard, Depends(_page)],
    within: Within,
    name: Annotated[str, Path(max_length=TEXT_MAX, pattern=NO_NUL)],
) -> JSONResponse:
    """List what a variable may be, without the option for anything."""
    found = [each for each in page.variables if isinstance(each, Variable) and each.name == name]
    if not found:
        raise NotFound(f"variable {name!r}")
    _, rows = await _run(connection, found[0].sql, within, {})
    return _answer(within, {"options": [row[0] for row in rows if row[0] != ANY]})


@router.get("/{slug}/marks")
async def marks(
    connection: Connection,
    page: Annotated[Dashboard, Depends(_page)],
    within: Within,
    values: ValuesOf,
) -> JSONResponse:
    """List the marks of the page's graphs."""
    found = []
    for annotation in page.annotations:
        names, rows = await _run(connection, annotation.sql, within, values)
        for row in rows:
            mark = {name: frames.plain(value) for name, value in zip(names, row, strict=True)}
            found.append(mark | {"name": annotation.name, "color": annotation.color})
    return _answer(within, {"marks": found})


@router.get("/session")
async def session(caller: CallerOf) -> JSONResponse:
    """Say who the page speaks for."""
    return JSONResponse(
        {
            "tenant": caller.tenant,
            "actor": caller.actor,
            "may_correct": caller.may(Scope.ERRORS_WRITE),
        }
    )


async def _run(
    connection: AsyncConnection, sql: str, within: Range, values: Values
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run one query as Grafana would, but for one tenant, and unable to change anything."""
    tenant = tenant_of(connection)
    if tenant is not None and ANY in values.get("tenant", ()):
        values = {**values, "tenant": [tenant]}  # sums over all tenants are hidden from one
    statement = expand(
        sql, start=within.start, end=within.end, interval=within.step, variables=values
    )
    await connection.exec_driver_sql(
        "SET TRANSACTION READ ONLY; SET LOCAL search_path = reporting",
        execution_options={"no_parameters": True},
    )
    result = await connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
    return list(result.keys()), [tuple(row) for row in result]


def _frame(asked: Panel, names: list[str], rows: list[tuple[Any, ...]], within: Range) -> Json:
    if asked.format == "table":
        return frames.table(names, rows)
    return frames.series(
        names,
        rows,
        within=within,
        step_s=frames.step_s(asked.sql, within),
        is_sum=asked.stacked,
    )


def _answer(within: Range, content: Json) -> JSONResponse:
    edges = {"from": frames.plain(within.start), "to": frames.plain(within.end)}
    return JSONResponse({"range": edges, **content})
