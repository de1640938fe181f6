"""A page's HTML: its frame, its panels still empty, and their description for the scripts.

Holds no data, so that it is the same for everybody and is painted before the first query runs.
"""

import json
from collections.abc import Iterator
from html import escape
from typing import Any, Final

from goldseam.grafana.panels import Column, Dashboard, Link, Panel, TextBox, Threshold, Variable
from goldseam.grafana.ui.pages import IN_MENU, PAGES

Json = dict[str, Any]

_DASHBOARD: Final = "/d/goldseam-"
_EXPLORE: Final = "/explore?"
_TO_TRACE: Final = "request?var-trace_id=${__data.fields.trace_id}&${__url_time_range}"

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} · Goldseam</title>
<link rel="icon" href="static/{version}/icon.svg">
<link rel="stylesheet" href="static/{version}/vendor/uPlot.min.css">
<link rel="stylesheet" href="static/{version}/page.css">
<script src="static/{version}/theme.js"></script>
<script src="static/{version}/vendor/uPlot.iife.min.js" defer></script>
<script src="static/{version}/page.js" type="module"></script>
<script id="page" type="application/json">{model}</script>
</head>
<body data-page="{slug}">
<a class="skip" href="#main">Skip to the content</a>
<header class="bar">
<a class="brand" href="health" data-keep><img src="static/{version}/icon.svg" alt="" width="22" \
height="22"> Goldseam</a>
<nav aria-label="Pages"><ul>{menu}</ul></nav>
<div id="session" class="session"></div><div id="theme"></div>
</header>
<div id="controls" class="controls" role="group" aria-label="What is shown"></div>
<main id="main" tabindex="-1">
<div class="heading"><h1>{title}</h1><p>{description}</p></div>
<div id="notice" role="status" aria-live="polite"></div>
<div id="top"></div>
<div class="grid">{panels}</div>
<noscript><p class="empty">This page needs JavaScript; the same figures are in Grafana, and \
in the API below /api/v1/ai.</p></noscript>
</main>
</body>
</html>
"""

_PANEL: Final = """<section class="panel" id="panel-{number}" data-kind="{kind}" \
data-source="{source}" data-width="{width}" data-height="{height}" \
aria-labelledby="title-{number}" aria-busy="true">
<h2 id="title-{number}">{title}</h2><p class="question">{question}</p>
<div class="body"></div></section>"""


def render(slug: str, page: Dashboard, version: str) -> str:
    """Return the HTML of a page.

    Args:
        slug: The last part of its address.
        page: What it shows.
        version: Version of the static files, a part of their address.
    """
    return _PAGE.format(
        slug=slug,
        title=escape(title(page)),
        description=escape(page.description),
        version=version,
        menu="".join(_menu(slug)),
        model=_embedded(model(slug, page)),
        panels="\n".join(
            _PANEL.format(
                number=number,
                kind=panel.kind,
                source=panel.source.name.lower(),
                width=panel.width,
                height=panel.height,
                title=escape(panel.title),
                question=escape(panel.question),
            )
            for number, panel in enumerate(page.panels, start=1)
        ),
    )


def title(page: Dashboard) -> str:
    """Return a page's title without the product's name."""
    return page.title.removeprefix("Goldseam / ")


def model(slug: str, page: Dashboard) -> Json:
    """Return what the scripts need to know of a page."""
    return {
        "slug": slug,
        "from": page.time_from,
        "marks": bool(page.annotations),
        "variables": [_variable(each) for each in page.variables],
        "panels": [_panel(number, each) for number, each in enumerate(page.panels, start=1)],
    }


def _menu(current: str) -> Iterator[str]:
    under = {"request": "requests", "error": "errors"}.get(current, current)
    for slug in IN_MENU:
        here = ' aria-current="page"' if slug == under else ""
        yield f'<li><a href="{slug}" data-keep{here}>{escape(title(PAGES[slug]))}</a></li>'


def _embedded(model: Json) -> str:
    """Return JSON that cannot end the element around it."""
    text = json.dumps(model, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _variable(variable: Variable | TextBox) -> Json:
    kind = "text" if isinstance(variable, TextBox) else "choice"
    return {"name": variable.name, "label": variable.label, "kind": kind}


def _panel(number: int, panel: Panel) -> Json:
    return {
        "number": number,
        "title": panel.title,
        "kind": panel.kind,
        "source": panel.source.name.lower(),
        "unit": panel.unit,
        "stacked": panel.stacked,
        "none": panel.no_value,
        "thresholds": [_threshold(each) for each in panel.thresholds],
        "columns": {each.name: _column(each) for each in panel.columns},
        "queries": [each.promql for each in panel.series],
    }


def _threshold(threshold: Threshold) -> Json:
    return {"value": threshold.value, "color": threshold.color}


def _column(column: Column) -> Json:
    return {
        "unit": column.unit,
        "thresholds": [_threshold(each) for each in column.thresholds],
        "links": [_link(link) for link in column.links],
    }


def _link(link: Link) -> Json:
    """Return a link of Grafana as one of this page; a trace is shown by its calls."""
    if link.url.startswith(_EXPLORE):
        return {"title": link.title, "url": _TO_TRACE}
    return {"title": link.title, "url": link.url.removeprefix(_DASHBOARD)}
