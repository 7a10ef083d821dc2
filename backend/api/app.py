"""The platform for any ASGI server: ``uvicorn api.app:app`` from backend/."""

from __future__ import annotations

from typing import Final

from .assembly import assemble

__all__ = ["app"]

app: Final = assemble()
