"""Which request something happened in: set by whoever serves it, read by journal and log."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

__all__ = ["REQUEST_ID"]

#: The id of the request that is served now; None outside of one.
REQUEST_ID: Final[ContextVar[str | None]] = ContextVar("koo_request_id", default=None)
