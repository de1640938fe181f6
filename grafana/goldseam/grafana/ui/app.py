"""The routes of the page: HTML without any data, files that never change, and panels' results.

`install` adds them to the API's application. Whoever may reach the address may load the HTML; what
it shows comes from routes that ask for a key, as those of the API do.
"""

import hashlib
from collections.abc import Mapping
from functools import cache, partial
from importlib.resources import files
from typing import Final

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from goldseam.api.problems import NotFound, ProblemRoute
from goldseam.grafana.ui import data, shell
from goldseam.grafana.ui.pages import PAGES

HOME: Final = "health"

_ALLOWED: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",  # no text ever becomes HTML or a program
    "trusted-types": "'none'",
}
CONTENT_SECURITY_POLICY: Final = "; ".join(f"{what} {whence}" for what, whence in _ALLOWED.items())

_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_FOREVER: Final = "public, max-age=31536000, immutable"

router = APIRouter(prefix="/ui", route_class=ProblemRoute, include_in_schema=False)


def install(app: FastAPI) -> None:
    """Add the page to an application that has the API; `/` leads to it."""
    router_here = APIRouter(include_in_schema=False)
    for path, home in (("/", f"ui/{HOME}"), ("/ui", f"ui/{HOME}"), ("/ui/", HOME)):
        router_here.add_api_route(path, partial(_redirect, home))
    for part in (router_here, router, data.router):
        app.include_router(part)


async def _redirect(home: str) -> Response:
    return RedirectResponse(home)  # relative, for those who serve it below a path of their own


@router.get("/static/{version}/{path:path}")
async def static(version: str, path: str) -> Response:
    """Serve a file; its address changes with any of the files, so it may be kept for ever."""
    content = _static().get(path)
    if content is None or version != static_version():
        raise NotFound("file of this name and version")
    kind = _TYPES[path.rpartition(".")[2]]
    return Response(content, headers={"content-type": kind, "cache-control": _FOREVER})


@router.get("/{slug}")
async def page(slug: str) -> Response:
    """Serve a page without its data."""
    if slug not in PAGES:
        raise NotFound(f"page {slug!r}")
    html = _html(slug)
    return HTMLResponse(
        html,
        headers={
            "content-security-policy": CONTENT_SECURITY_POLICY,
            "cache-control": "no-cache",
        },
    )


@cache
def _html(slug: str) -> str:
    return shell.render(slug, PAGES[slug], static_version())


@cache
def _static() -> Mapping[str, bytes]:
    """Return the files by their path below `static`."""
    root = files("goldseam.grafana.ui").joinpath("static")
    found = {}
    for entry in root.iterdir():
        below = entry.iterdir() if entry.is_dir() else (entry,)
        prefix = f"{entry.name}/" if entry.is_dir() else ""
        for each in below:
            if each.name.rpartition(".")[2] in _TYPES:
                found[f"{prefix}{each.name}"] = each.read_bytes()
    return found


@cache
def static_version() -> str:
    """Return a text that differs whenever a file does."""
    digest = hashlib.sha256()
    for path, content in sorted(_static().items()):
        digest.update(path.encode() + b"\0" + content)
    return digest.hexdigest()[:12]
