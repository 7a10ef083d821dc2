"""What an SDK's method is asked for: how long it is, how many answers, and what has no bound.

arguments --as JSON--> bytes, which bound the tokens of its text
          --walked---> pictures and files, whose tokens no byte bounds
                       what the vendor adds: stored contexts, searches, tools that it runs itself,
                       requests of its own, answers of other models

Arguments stand in three places: as the method's own, in ``extra_body``, and in google-genai's
``config``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..providers.bodies import UNSEEN

__all__ = [
    "FILES",
    "OTHER_MODELS",
    "OWN_REQUESTS",
    "SEARCHES",
    "SERVER_TOOLS",
    "STORED",
    "UNREADABLE",
    "Arguments",
]

FILES: Final = "pictures or files"
STORED: Final = "what the vendor has stored"
#: Billed by their number, which the answer's usage tells.
SEARCHES: Final = "searches"
#: Billed apart, and in no usage.
SERVER_TOOLS: Final = "tools that the vendor runs"
#: Of another price than the one that was asked.
OTHER_MODELS: Final = "other models that may answer"
#: To sum up what was said, or to go on where the answer was cut off.
OWN_REQUESTS: Final = "requests that the vendor adds"
UNREADABLE: Final = "what is no JSON"

#: Tools that the caller runs, and those whose searches Anthropic counts.
_OWN_TOOLS: Final = re.compile(r"function|custom|(bash|computer|memory|text_editor)_\d+")
_SEARCH_TOOLS: Final = re.compile(r"web_(search|fetch)_\d+")
_DECLARATIONS: Final = frozenset({"function_declarations", "functionDeclarations"})
_SERVED: Final = ("web_search_options", "search_parameters", "mcp_servers", "plugins", "container")
_KEPT: Final = (
    *("previous_response_id", "conversation", "thread", "cached_content", "cachedContent"),
    *("continuation_token", "continuationToken"),
)
_CHOSEN: Final = (
    *("fallbacks", "models", "routing_config", "routingConfig"),
    *("model_selection_config", "modelSelectionConfig"),
)
_ADDED: Final = ("compaction", "automatic_continuation", "automaticContinuation")
_SPOKEN: Final = (
    *("messages", "input", "contents", "system"),
    *("system_instruction", "systemInstruction"),
)
#: Around each of them a vendor writes what nobody sees.
_FRAMED: Final = (
    *("tools", "functions", "response_format", "text", "output_config", "output_format"),
    *("response_schema", "responseSchema", "response_json_schema", "responseJsonSchema"),
)
_HOLDERS: Final = ("content", "contents", "parts", "output")
_FILE_TYPES: Final = re.compile(r"image|document|file|audio|video|upload|screenshot|reference")
_FILE_KEYS: Final = frozenset(
    {"inline_data", "inlineData", "file_data", "fileData", "file_id", "file_uri", "image_url"}
    | {"mime_type", "mimeType"}
)
#: How SDKs say that nothing is said.
_ABSENT: Final = frozenset({"NotGiven", "Omit"})
#: What never gets into a body.
_ASIDE: Final = frozenset({"timeout", "extra_headers", "extra_query"})
_ANSWERS: Final = ("n", "best_of", "candidate_count", "candidateCount")


@dataclass(frozen=True, slots=True)
class Arguments:
    """At most *input_tokens* of text go in and *answers* come out, but for what is *unbounded*."""

    input_tokens: int
    answers: int
    unbounded: tuple[str, ...]

    @classmethod
    def of(cls, asked: Mapping[str, object]) -> Arguments:
        """Those of *asked*; what the SDK would write for a model of its own is what counts."""
        strange: list[object] = []

        def plain(found: object) -> object:
            told = _plain(found)
            if told is found:
                strange.append(found)
                return repr(found)
            return told

        body = {name: found for name, found in asked.items() if name not in _ASIDE}
        text = json.dumps(body, ensure_ascii=False, default=plain)
        named = _named(json.loads(text))
        around = UNSEEN if any(named.get(name) for name in _FRAMED) else 0
        unbounded = {*_unbounded(named), *([UNREADABLE] if strange else [])}
        return cls(
            len(text.encode(errors="surrogatepass")) + around,
            max(1, *(_count(named.get(name)) for name in _ANSWERS)),
            tuple(sorted(unbounded)),
        )


def _plain(found: Any) -> object:  # noqa: ANN401 - whatever an SDK takes
    if type(found).__name__ in _ABSENT:
        return None
    if isinstance(found, type):
        schema = getattr(found, "model_json_schema", None)
        return schema() if callable(schema) else found
    dump = getattr(found, "model_dump", None)
    return dump(exclude_none=True) if callable(dump) else found


def _named(asked: dict[str, Any]) -> dict[str, Any]:
    inner = (asked.get(name) for name in ("config", "extra_body"))
    return {**asked, **{k: v for one in inner if isinstance(one, dict) for k, v in one.items()}}


def _unbounded(named: Mapping[str, Any]) -> Iterator[str]:
    yield from filter(None, map(_of_tool, _listed(named.get("tools"))))
    if any(named.get(name) for name in _SERVED):
        yield SERVER_TOOLS
    if any(named.get(name) for name in _KEPT) or isinstance(named.get("prompt"), dict):
        yield STORED
    if any(named.get(name) for name in _CHOSEN):
        yield OTHER_MODELS
    if any(named.get(name) for name in _ADDED) or _sums_up(named.get("context_management")):
        yield OWN_REQUESTS
    if not all(_is_text(named.get(name)) for name in _SPOKEN):
        yield FILES


def _of_tool(tool: object) -> str | None:
    if not isinstance(tool, dict):
        return SERVER_TOOLS
    match tool.get("type"):
        case None:
            return None if "name" in tool or set(tool) <= _DECLARATIONS else SERVER_TOOLS
        case str(kind) if _OWN_TOOLS.fullmatch(kind):
            return None
        case str(kind) if _SEARCH_TOOLS.fullmatch(kind):
            return SEARCHES
        case _:
            return SERVER_TOOLS


def _sums_up(management: object) -> bool:
    """Whether the vendor may sum up what was said; to leave out some of it adds no request."""
    edits = management.get("edits") if isinstance(management, dict) else management
    kinds = [edit.get("type") for edit in _listed(edits) if isinstance(edit, dict)]
    return any(str(kind).startswith("compact") for kind in kinds)


def _is_text(told: object) -> bool:
    if isinstance(told, list):
        return all(map(_is_text, told))
    if not isinstance(told, dict):
        return True
    kind = told.get("type")
    if (isinstance(kind, str) and _FILE_TYPES.search(kind)) or not _FILE_KEYS.isdisjoint(told):
        return False
    return all(_is_text(told.get(name)) for name in _HOLDERS)


def _listed(found: object) -> list[object]:
    return found if isinstance(found, list) else []


def _count(found: object) -> int:
    return found if isinstance(found, int) else 1
