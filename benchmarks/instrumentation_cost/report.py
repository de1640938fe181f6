"""Turns the figures of a run into Markdown tables, and puts them into the documentation.

Pure but for `write`. Every figure comes from the run at hand.
"""

import os
import platform
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from document import put, table

from instrumentation_cost.answers import CHUNKS
from instrumentation_cost.figures import TIMES, Figures
from instrumentation_cost.measuring import Plan
from instrumentation_cost.subjects import OPENAI_2, OPENAI_3, OTEL_SDK, Subject
from instrumentation_cost.targets import OWN, in_words, is_met, verdicts

_INTRODUCTION: Final = """
## What instrumenting a client costs

`python benchmarks/instrumentation.py --write docs/benchmarks.md` writes this section.

The `openai` client runs over a transport that answers from memory, so that nothing but the client
and what watches it is measured. Each subject has a virtual environment of its own and writes to
the same OpenTelemetry providers: a batch processor whose exporter drops the spans, a metric reader
that nobody reads. Content capture is left at each library's default. The *floor* is a hand-written
span with fifteen attributes and three histogram records, with constant values: the price of
OpenTelemetry itself. A second one carries every attribute that Goldseam's span and records have:
what lies between the two is the price of more facts, what lies above is Goldseam's own.

Instructions are counted by callgrind, only inside the calls, in all threads, after warm-up, with
the cyclic garbage collector off; the same process first runs bare and then with the subject on, and
the tables show the difference. They repeat within a few thousandths, so ratios to the floor of the
same run are what `--gate` holds Goldseam to. CPU time is the median difference of rounds taken in
turns, on whatever else the machine was doing.
"""

_NONE: Final = "-"
Row = Sequence[str]


def render(plan: Plan, figures: Figures) -> str:
    """Return all tables of a run as Markdown."""
    sections = [_circumstances(plan, figures)]
    if figures.added_k:
        sections += [
            "### Instructions added to one call\n\nThousands, and how many floors that is.",
            _instructions(plan, figures),
            _bare(plan, figures),
        ]
    if figures.added_us:
        sections += [
            "### CPU time added to one call\n\nMicroseconds.",
            _table(plan, figures, lambda cell: _number(figures.added_us.get(cell))),
        ]
    sections += ["### What comes with it", _footprints(plan, figures)]
    if judged := _verdicts(figures):
        sections += ["### Goldseam against its targets", judged]
    if compared := _against_peers(plan, figures):
        sections += [
            "### Goldseam against its peers\n\nPeers that add fewer instructions to the same call.",
            compared,
        ]
    sections += [f"- {name}: not measured: {why}." for name, why in figures.unsupported.items()]
    return "\n\n".join(sections) + "\n"


def write(path: Path, tables: str) -> None:
    """Put the tables into a document, in a section of their own."""
    put(path, tables, name="instrumentation", introduction=_INTRODUCTION)


def _circumstances(plan: Plan, figures: Figures) -> str:
    is_repeated = figures.added_k and plan.repeats > 1
    spread = f" Repeated counts differed by {figures.spread:.2%} at most." if is_repeated else ""
    return (
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {os.cpu_count()} cores, "
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, "
        f"{_release(OPENAI_3)} (OpenLIT: {_release(OPENAI_2)}), {_release(OTEL_SDK)}.{spread}"
    )


def _instructions(plan: Plan, figures: Figures) -> str:
    def cell(key: tuple[str, str]) -> str:
        added = figures.added_k.get(key)
        ratio = figures.ratio(*key)
        return f"{_number(added)} ({ratio:.2f}{TIMES})" if ratio is not None else _number(added)

    return _table(plan, figures, cell, ("per chunk", lambda name: _per_chunk(figures, name)))


def _per_chunk(figures: Figures, subject: str) -> str:
    stream, chat = (figures.added_k.get((subject, name)) for name in ("stream", "chat"))
    return _number((stream - chat) / CHUNKS) if stream is not None and chat is not None else _NONE


def _bare(plan: Plan, figures: Figures) -> str:
    name = OWN if (OWN, "chat") in figures.bare_k else plan.subjects[0].name
    parts = [
        f"{scenario.title} {_number(figures.bare_k.get((name, scenario.name)))} k"
        for scenario in plan.scenarios
    ]
    hash_k = figures.bare_k.get(("goldseam", "sha256"))
    if hash_k is not None:
        parts.append(f"SHA-256 of the 40 kB alone {_number(hash_k)} k")
    return f"Without anything added, one call takes: {'; '.join(parts)}."


def _footprints(plan: Plan, figures: Figures) -> str:
    header = (
        "",
        "release",
        "attributes of a chat",
        "Python calls added: chat",
        "stream",
        "chat, span dropped",
        "import and switching on, ms CPU",
        "modules",
        "of them the client's",
        "MB",
        "distributions added",
        "",
    )
    rows = [_footprint_row(figures, subject) for subject in _measured(plan, figures)]
    return table(header, rows)


def _footprint_row(figures: Figures, subject: Subject) -> Row:
    name = subject.name
    footprint = figures.footprints.get(name)
    calls = [figures.python_calls.get((name, key)) for key in ("chat", "stream", "chat-dropped")]
    return (
        subject.title,
        figures.versions.get(name) or _NONE,
        _number(figures.attributes.get((name, "chat"))),
        *(_number(count) for count in calls),
        _number(footprint.cpu_ms if footprint else None),
        _number(footprint.modules if footprint else None),
        _number(footprint.client_modules if footprint else None),
        f"{footprint.rss_mb:.1f}" if footprint else _NONE,
        _number(len(figures.distributions.get(name, ()))),
        subject.note,
    )


def _verdicts(figures: Figures) -> str:
    rows = [
        (
            target.title,
            in_words(figure, target.unit),
            in_words(limit, target.unit),
            "met" if is_met(target, figure, limit) else "**missed**",
        )
        for target, figure, limit in verdicts(figures)
    ]
    return table(("", "measured", "limit", ""), rows) if rows else ""


def _against_peers(plan: Plan, figures: Figures) -> str:
    rows = []
    for scenario in plan.scenarios:
        own = OWN, scenario.name
        own_k = figures.added_k.get(own) if own not in figures.unwatched else None
        costs_k = {
            subject.title: figures.added_k[subject.name, scenario.name]
            for subject in _measured(plan, figures)
            if subject.is_peer
            and (subject.name, scenario.name) not in figures.unwatched
            and (subject.name, scenario.name) in figures.added_k
        }
        if own_k is None or not costs_k:
            continue
        cheaper = sorted((cost_k, title) for title, cost_k in costs_k.items() if cost_k < own_k)
        texts = ", ".join(f"{title} ({_number(cost_k)} k)" for cost_k, title in cheaper)
        rows.append((scenario.title, f"{_number(own_k)} k", texts or "none"))
    return table(("", "Goldseam", "cheaper peers"), rows) if rows else ""


def _table(
    plan: Plan,
    figures: Figures,
    text: Callable[[tuple[str, str]], str],
    extra: tuple[str, Callable[[str], str]] | None = None,
) -> str:
    header = ["", *(scenario.title for scenario in plan.scenarios)]
    if extra is not None:
        header.append(extra[0])
    rows = []
    for subject in _measured(plan, figures):
        row = [subject.title]
        for scenario in plan.scenarios:
            key = subject.name, scenario.name
            row.append("not covered" if key in figures.unwatched else text(key))
        if extra is not None:
            row.append(extra[1](subject.name))
        rows.append(row)
    return table(header, rows)


def _measured(plan: Plan, figures: Figures) -> Iterator[Subject]:
    return (subject for subject in plan.subjects if subject.name not in figures.unsupported)


def _number(value: float | None) -> str:
    return f"{value:,.0f}" if value is not None else _NONE


def _release(requirement: str) -> str:
    return requirement.replace("==", " ")
