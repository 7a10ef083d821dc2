"""The runbooks that alerts name, one section at a time, as plain text.

alert.runbook = docs/runbooks.md#<anchor>  -->  GET /runbooks/<anchor>
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Depends
from starlette.responses import PlainTextResponse

from ..doors import Doors
from ..problems import Problem
from .texts import LOOKING, NOT_FOUND

__all__ = ["runbook_router", "split_sections"]

_HEADING: Final = re.compile(r"^(#{2,6})\s+(.+?)\s*$")
_FENCE: Final = ("```", "~~~")
_DROPPED: Final = re.compile(r"[^\w\- ]")


def split_sections(markdown: str) -> dict[str, str]:
    """Each section below the title by its anchor, from its heading to the next one as high."""
    lines = markdown.splitlines()
    marks = _headings(lines)
    sections: dict[str, str] = {}
    for place, (start, depth, title) in enumerate(marks):
        ends = (line for line, other, _ in marks[place + 1 :] if other <= depth)
        text = "\n".join(lines[start : next(ends, len(lines))]).strip()
        sections.setdefault(_anchor(title), text + "\n")
    return sections


def _headings(lines: list[str]) -> list[tuple[int, int, str]]:
    found, in_code = [], False
    for number, line in enumerate(lines):
        if line.lstrip().startswith(_FENCE):
            in_code = not in_code
        elif not in_code and (match := _HEADING.match(line)):
            found.append((number, len(match[1]), match[2]))
    return found


def _anchor(title: str) -> str:
    return _DROPPED.sub("", title.lower()).replace(" ", "-")


@dataclass(frozen=True, slots=True)
class _Runbooks:
    sections: Mapping[str, str]

    async def section(self, anchor: str) -> PlainTextResponse:
        """One section of the runbooks, as Markdown."""
        text = self.sections.get(anchor)
        if text is None:
            raise Problem(404, "unknown_runbook", "the runbooks have no such section")
        return PlainTextResponse(text)


def runbook_router(doors: Doors, markdown: str) -> APIRouter:
    """``/runbooks/{anchor}`` for the sections of *markdown*."""
    router = APIRouter(tags=["monitoring"])
    router.add_api_route(
        "/runbooks/{anchor}",
        _Runbooks(split_sections(markdown)).section,
        dependencies=[Depends(doors.looks)],
        responses=LOOKING | NOT_FOUND,
        response_class=PlainTextResponse,
    )
    return router
