"""AI services without a network, and an application around them that is visited without sockets."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from fastapi import FastAPI

from koo.ai import AIService, PriceTable, ServiceConfig, TokenPrice
from koo.monitoring import Journal, Monitor
from koo.resilience import Component
from koo.testing import ScriptedProvider
from koo.web import Access, Console

__all__ = ["Silent", "application", "service", "visit"]

_PLENTY = 10**9


class Silent(ScriptedProvider):
    """Answers everything and keeps nothing but counts."""

    def __init__(self) -> None:
        super().__init__(then="x")
        self.sent_total = 0
        self._on_send = self._count

    def _count(self, _: object) -> None:
        self.sent_total += 1
        self.requests.clear()


def service(name: str, provider: Silent, prices: PriceTable) -> AIService:
    """A service whose limits nobody reaches."""
    config = ServiceConfig(
        name=name,
        model="m",
        base_url="http://127.0.0.1:1/v1",
        api_key="test-key",
        price=TokenPrice(Decimal(1), Decimal(2)),
        requests_per_minute=_PLENTY,
        requests_per_hour=_PLENTY,
        requests_per_day=_PLENTY,
        daily_budget_nanousd=10**18,
    )
    return AIService(config, provider, prices=prices)


def application(components: Sequence[Component], journal: Journal) -> tuple[FastAPI, Console]:
    """What koo.web makes of *components*; looking is free, acting takes the console's token."""
    console = Console(Monitor(components, journal=journal), Access())
    app = FastAPI(docs_url=None, redoc_url=None)
    console.install(app)
    return app, console


async def visit(app: FastAPI, method: str, path: str, token: str | None = None) -> tuple[int, int]:
    """The status of an answer and the bytes of its body."""
    headers = [(b"host", b"localhost")]
    if token is not None:
        headers.append((b"authorization", f"Bearer {token}".encode()))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "client": ("127.0.0.1", 5000),
        "server": ("127.0.0.1", 8000),
        "headers": headers,
    }
    messages: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    await app(scope, receive, send)
    size = sum(len(message.get("body", b"")) for message in messages)
    return messages[0]["status"], size
