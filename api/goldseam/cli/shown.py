"""How calls, traces, errors and suggestions look on a terminal.

Called by the commands that ask the API. Pure: JSON bodies in, things that rich prints out.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

_MARKS: Final = {
    "success": ("✓", "green"),
    "error": ("✗", "red"),
    "pending": ("…", "cyan"),
    "cancelled": ("-", "dim"),
    "abandoned": ("?", "magenta"),
}
_MENDED: Final = ("✓", "yellow")
"""Gold, as the seam is."""

_BAR: Final = 44
_SECOND_MS: Final = 1_000
_MINUTE_MS: Final = 60_000
_DAY: Final = "%Y-%m-%d %H:%M:%S"


def calls(rows: Sequence[dict[str, Any]]) -> Table:
    """Return a table of calls."""
    table = _table(
        Column("time", no_wrap=True),
        Column("", no_wrap=True),
        Column("took", justify="right", no_wrap=True),
        Column("provider / model", overflow="fold"),
        Column("what happened", overflow="fold", ratio=1),
        Column("module", overflow="fold"),
        Column("id", no_wrap=True, style="dim"),
    )
    for row in rows:
        mark, style = _mark(row)
        table.add_row(
            _time(row["created_at"]),
            Text(mark, style),
            took(row["processing_time_ms"]),
            f"{row['provider_used']} / {row['provider_model'] or row['model_requested'] or '?'}",
            Text(happened(row), style if row["status"] != "success" or _is_mended(row) else ""),
            row["module"],
            row["id"],
        )
    return table


def line(row: dict[str, Any]) -> Text:
    """Return one call as a line of a log."""
    mark, style = _mark(row)
    model = row["provider_model"] or row["model_requested"] or "?"
    return Text.assemble(
        (_time(row["created_at"]), "dim"),
        (f"  {mark}  ", style),
        f"{took(row['processing_time_ms']):>8}  {row['provider_used']} / {model}  ",
        (happened(row), style if row["status"] != "success" or _is_mended(row) else ""),
        (f"  {row['module']}  {row['id']}", "dim"),
    )


def call(detail: dict[str, Any]) -> RenderableType:
    """Return everything that matters about one call."""
    mark, style = _mark(detail)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in _facts(detail):
        if value not in {None, ""}:
            grid.add_row(name, str(value))
    parts: list[RenderableType] = [Text(f"{mark} {happened(detail)}", f"bold {style}"), "", grid]
    if detail["error_message"]:
        parts += ["", Text(detail["error_message"], "red")]
    if detail["recovery"]:
        parts += ["", steps(detail["recovery"])]
    parts += ["", Text(f"goldseam logs trace {detail['trace_id']}", "dim")]
    if detail["first_error_code"]:
        parts.append(Text(f"goldseam fix {detail['first_error_code']}", "dim"))
    return Group(*parts)


def steps(rows: Sequence[dict[str, Any]]) -> Table:
    """Return recovery steps as a table."""
    table = _table("step", "strategy", "asked", "did", Column("took", justify="right"), "outcome")
    for row in rows:
        table.add_row(
            str(row["step_number"]),
            row["strategy_name"],
            row["provider"] or "",
            row["action_taken"],
            took(row["recovery_time_ms"]),
            _outcome(row),
        )
    return table


def waterfall(trace: dict[str, Any]) -> RenderableType:
    """Return a trace as bars over time: each request, and below it what recovery did."""
    whole_ms = max(trace["duration_ms"], 1.0)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(overflow="fold")
    grid.add_column(no_wrap=True, width=_BAR)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(overflow="fold")
    for depth, node in _walk(trace["requests"]):
        mark, style = _mark(node)
        indent = "  " * depth
        grid.add_row(
            Text(f"{indent}{node['provider_used']} / {node['model_requested'] or '?'}", "bold"),
            _bar(node["offset_ms"], node["processing_time_ms"], whole_ms, style),
            took(node["processing_time_ms"]),
            Text(f"{mark} {happened(node)}", style),
        )
        for name, offset_ms, lasted_ms, outcome, colour in _attempts(trace, node):
            grid.add_row(
                Text(f"{indent}  {name}", "dim"),
                _bar(offset_ms, lasted_ms, whole_ms, colour),
                Text(took(lasted_ms), "dim"),
                outcome,
            )
    head = f"trace {trace['trace_id']}  {_time(trace['started_at'])}  {took(trace['duration_ms'])}"
    return Group(Text(head, "dim"), "", grid)


def errors(rows: Sequence[dict[str, Any]]) -> Table:
    """Return error patterns as a table."""
    table = _table(
        Column("error", no_wrap=True),
        Column("calls", justify="right"),
        Column("lost", justify="right"),
        Column("trend", justify="right"),
        Column("provider"),
        Column("message", overflow="fold", ratio=1),
        Column("last", no_wrap=True),
        Column("pattern", no_wrap=True, style="dim"),
    )
    for row in rows:
        table.add_row(
            Text(row["error_code"], "red" if row["failed"] else "yellow"),
            f"{row['count']:,}",
            f"{row['failed']:,}",
            "new" if row["trend"] is None else f"{row['trend']:+.0%}",
            row["provider"],
            row["error_message"],
            _time(row["last_occurred"]),
            row["pattern_id"],
        )
    return table


def pattern(found: dict[str, Any]) -> RenderableType:
    """Return an error pattern with what has helped against it."""
    seen = f"{found['occurrence_count']:,} calls met it, {found['recovered_count']:,} were mended"
    parts: list[RenderableType] = [
        Text(
            f"{found['error_code']} at {found['provider']}  [{found['resolution_status']}]", "bold"
        ),
        Text(found["error_message_pattern"], "red"),
        f"{seen}; the last one {_time(found['last_occurred'])}",
        found["probable_cause"],
        *(Text(f"• {each}") for each in found["suggested_action"].splitlines()),
    ]
    if found["auto_correction_enabled"]:
        parts += ["", Text(f"Correction on: {_correction(found['correction_config'])}", "yellow")]
        if effect := found["effect"]:
            parts.append(
                f"It mended {effect['successes']} of the latest {effect['applied']} calls it was "
                "applied to."
            )
    if found["evidence"]:
        parts += ["", evidence(found["evidence"])]
    return Group(*parts)


def evidence(rows: Sequence[dict[str, Any]]) -> Table:
    """Return what strategies did, as a table."""
    table = _table(
        "strategy", "asked", "when", Column("mended", justify="right"), "surely", "verdict"
    )
    for row in rows:
        table.add_row(
            row["strategy"],
            row["provider"],
            row["condition"],
            f"{row['successes']} of {row['attempts']}",
            f"{row['low']:.0%} to {row['high']:.0%}",
            row["verdict"].replace("_", " "),
        )
    return table


def fix(found: dict[str, Any]) -> RenderableType:
    """Return suggestions, their evidence, and what can be switched on."""
    wasted = found["wasted"]
    parts: list[RenderableType] = [
        Text(f"{found['type']}  {found['probable_cause']}", "bold"),
        "",
        *(Padding(Text(f"• {each}"), (0, 0, 0, 2)) for each in found["suggestions"]),
    ]
    if wasted["calls"]:
        cost = f", {wasted['cost_usd']:.2f} USD" if wasted["cost_usd"] else ""
        spent = f"{took(wasted['seconds'] * _SECOND_MS)} and {wasted['tokens']:,} tokens"
        parts += [
            "",
            f"{wasted['calls']:,} calls were lost to it: {spent}{cost}.",
        ]
    if found["evidence"]:
        parts += ["", evidence(found["evidence"])]
    for number, action in enumerate(found["actions"], 1):
        sure = f"{action['low']:.0%} to {action['high']:.0%} by {action['attempts']} attempts"
        parts += [
            "",
            Text(f"{number}. {action['title']}", "yellow"),
            f"   {sure}; switch it on:  goldseam fix {found['type']} --apply {number}",
        ]
    if not found["actions"]:
        parts += ["", Text(found["auto_correction"]["reason"], "dim")]
    parts += [Text(each, "dim") for each in found["documentation"]]
    return Group(*parts)


def happened(row: dict[str, Any]) -> str:
    """Return in a few words how a call went."""
    match row["status"]:
        case "error":
            tries = row["retry_count"] + 1
            http = f" (HTTP {row['http_status']})" if row["http_status"] else ""
            return f"{row['error_code']}{http}" + (f" after {tries} attempts" if tries > 1 else "")
        case "success" if _is_mended(row):
            if not row["first_error_code"]:
                return (
                    f"{row['provider_requested']} was failing: {row['recovery_strategy']} at once"
                )
            return f"{row['first_error_code']} mended by {row['recovery_strategy']}"
        case "success":
            tokens = row["tokens_used"]
            return "answered" if tokens is None else f"{tokens:,} tokens"
        case "pending":
            return "in flight"
        case other:
            return str(other)


def took(duration_ms: float) -> str:
    """Return a duration as a person says it."""
    if duration_ms < _SECOND_MS:
        return f"{duration_ms:.0f} ms"
    if duration_ms < _MINUTE_MS:
        return f"{duration_ms / _SECOND_MS:.1f} s"
    minutes, rest_ms = divmod(duration_ms, _MINUTE_MS)
    return f"{minutes:.0f} min {rest_ms / _SECOND_MS:.0f} s"


def _correction(config: dict[str, Any]) -> str:
    """Return a correction in words: its strategy, and what else was said of it."""
    more = ", ".join(f"{name} {each}" for name, each in config.items() if name != "strategy")
    return f"{config['strategy']} ({more})" if more else str(config["strategy"])


def _facts(detail: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    asked, answered = detail["provider_requested"], detail["provider_used"]
    tokens = detail["tokens_used"]
    yield "id", detail["id"]
    if detail["request_id"] != detail["id"]:
        yield "request id", detail["request_id"]
    yield "started", _time(detail["created_at"])
    yield "took", took(detail["processing_time_ms"])
    if detail["ttfc_ms"] is not None:
        yield "first chunk", took(detail["ttfc_ms"])
    yield "operation", detail["operation"]
    yield "asked", f"{asked} / {detail['model_requested'] or '?'}"
    yield (
        "answered",
        f"{answered} / {detail['provider_model']}" if detail["provider_model"] else None,
    )
    if tokens is not None:
        yield "tokens", f"{tokens:,} ({detail['input_tokens']} in, {detail['output_tokens']} out)"
    yield "cost", None if detail["cost_usd"] is None else f"{detail['cost_usd']:.6f} USD"
    for name in ("module", "task", "user_id", "tenant_id", "service_name", "correction_id"):
        yield name.removesuffix("_id").removesuffix("_name"), detail[name]


def _attempts(
    trace: dict[str, Any], node: dict[str, Any]
) -> Iterator[tuple[str, float, float, Text, str]]:
    """Yield name, offset, duration, outcome and colour of what happened inside a request."""
    taken = node["recovery"]
    if not taken:
        return
    if node["first_error_code"]:
        lasted_ms = max(_offset_ms(trace, taken[0]) - node["offset_ms"], 0.0)
        outcome = Text(f"✗ {node['first_error_code']}", "red")
        yield "first attempt", node["offset_ms"], lasted_ms, outcome, "red"
    for step in taken:
        name = f"{step['step_number']} {step['strategy_name']} {step['provider'] or ''}"
        colour = "yellow" if step["was_successful"] else "red"
        yield name, _offset_ms(trace, step), step["recovery_time_ms"], _outcome(step), colour


def _offset_ms(trace: dict[str, Any], step: dict[str, Any]) -> float:
    since = _parsed(step["created_at"]) - _parsed(trace["started_at"])
    return since.total_seconds() * _SECOND_MS


def _bar(offset_ms: float, lasted_ms: float, whole_ms: float, style: str) -> Text:
    start = min(int(offset_ms / whole_ms * _BAR), _BAR - 1)
    length = max(1, min(round(lasted_ms / whole_ms * _BAR), _BAR - start))
    return Text.assemble(" " * start, ("█" * length, style))


def _outcome(step: dict[str, Any]) -> Text:
    if step["was_successful"]:
        return Text("✓ mended", "yellow")
    return Text(f"✗ {step['error_code'] or 'failed'}", "red")


def _walk(nodes: Sequence[dict[str, Any]], depth: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
    for node in nodes:
        yield depth, node
        yield from _walk(node["children"], depth + 1)


def _mark(row: dict[str, Any]) -> tuple[str, str]:
    return _MENDED if _is_mended(row) else _MARKS[row["status"]]


def _is_mended(row: dict[str, Any]) -> bool:
    return (row["status"], row["recovery_outcome"]) == ("success", "recovered")


def _parsed(moment: str) -> datetime:
    return datetime.fromisoformat(moment)


def _time(moment: str) -> str:
    """Return a moment in this machine's time zone, without the date if that is today."""
    local = _parsed(moment).astimezone()
    is_today = local.date() == datetime.now().astimezone().date()
    return f"{local:%H:%M:%S}" if is_today else f"{local:{_DAY}}"


def _table(*columns: Column | str) -> Table:
    return Table(*columns, box=None, padding=(0, 2, 0, 0), header_style="dim", expand=False)
