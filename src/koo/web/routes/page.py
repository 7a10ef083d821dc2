"""The page and its files: read once, kept in memory, served from there by exact name.

Nothing maps a visitor's path to a file, so no path can leave the folder.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from ..problems import Problem

__all__ = ["StaticFile", "load_page", "page_router"]

_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "mjs": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


_NEVER: Final = {"q=0", "q=0.0", "q=0.00", "q=0.000"}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file of the page, as it is and compressed, its media type and its ETag."""

    content: bytes
    zipped: bytes
    media_type: str
    etag: str


def load_page() -> dict[str, StaticFile]:
    """Every file of the page by its path below ``static/``."""
    return dict(_walk(files("koo.web") / "static", ""))


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, StaticFile]]:
    found: list[tuple[str, StaticFile]] = []
    for item in folder.iterdir():
        if item.is_dir():
            found += _walk(item, f"{prefix}{item.name}/")
        elif (media_type := _TYPES.get(item.name.rpartition(".")[2])) is not None:
            found.append((prefix + item.name, _read(item, media_type)))
    return found


def _read(item: Traversable, media_type: str) -> StaticFile:
    content = item.read_bytes()
    digest = sha256(content).hexdigest()[:20]
    return StaticFile(content, gzip.compress(content, mtime=0), media_type, digest)


@dataclass(frozen=True, slots=True)
class _Page:
    files: Mapping[str, StaticFile]

    async def page(self, request: Request) -> Response:
        """The page; it shows no data until somebody may look."""
        return self._answer("index.html", request)

    async def file(self, path: str, request: Request) -> Response:
        """A script, a style sheet or an icon of the page."""
        return self._answer(path, request)

    def _answer(self, path: str, request: Request) -> Response:
        file = self.files.get(path)
        if file is None:
            raise Problem(404, "not_found", "the page has no such file")
        zips = _takes_gzip(request.headers.get("accept-encoding", ""))
        etag = f'"{file.etag}-gzip"' if zips else f'"{file.etag}"'
        headers = {"ETag": etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        if zips:
            headers["Content-Encoding"] = "gzip"
        body = file.zipped if zips else file.content
        return Response(body, headers=headers, media_type=file.media_type)


def _takes_gzip(accepted: str) -> bool:
    """Whether gzip is named, and not to refuse it."""
    codings = (part.replace(" ", "").lower().partition(";") for part in accepted.split(","))
    return any(name == "gzip" and weight not in _NEVER for name, _, weight in codings)


def page_router(files_: Mapping[str, StaticFile]) -> APIRouter:
    """The page at ``/`` and its files under ``/static``."""
    router = APIRouter(include_in_schema=False)
    page = _Page(files_)
    router.add_api_route("/", page.page, methods=["GET", "HEAD"])
    router.add_api_route("/static/{path:path}", page.file, methods=["GET", "HEAD"])
    return router
