"""Models that search the web of their own accord, which a vendor bills apart from all tokens."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["SEARCHES", "searches_unasked"]

#: What the price table calls them.
SEARCHES: Final = "web_searches"
#: Whoever sells them.
_SEARCHERS: Final = re.compile(
    r"(^|[/:_-])(web)?search|deep-?research|sonar|[:-]online\b|(^|/)compound", re.IGNORECASE
)


def searches_unasked(model: str) -> bool:
    """Whether *model* does, as its name tells."""
    return _SEARCHERS.search(model) is not None
