"""The platform as one ASGI application, from the singletons and :mod:`koo.web`.

    start --> settings compared with the last start --> background checks --> ready
    end ----> streams ended, checks ended, connections closed

Without tokens everybody may look, so then it answers on loopback addresses alone,
whatever the server was told to listen on.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final

from fastapi import Depends, FastAPI, Request

from core.config import ROOT, VAR, get_settings
from core.database import db_manager
from core.events import event_log, listener
from core.settings import Fingerprint
from core.state import records, store
from koo.resilience import ConfigurationChanged
from koo.web import Access, AccessConfig, Console, ConsoleConfig, Problem, is_loopback
from services.hybrid_ai_manager import hybrid_ai_manager
from services.notifications import delivering

from .database import database_router
from .monitoring import courier, monitor
from .outages import answer_outages

__all__ = ["access_of", "assemble", "tell_of_changes"]

_FINGERPRINT: Final = VAR / "settings.json"
_RUNBOOKS: Final = ROOT / "docs/runbooks.md"
_PROBES: Final = {"/livez", "/startupz", "/readyz"}
_WILDCARDS: Final = {"0.0.0.0", "::"}  # noqa: S104 - recognised, not listened on


def access_of(host: str) -> Access:
    """Who may look and act when *host* is listened on; ValueError for an open door."""
    settings = get_settings()
    return Access(
        AccessConfig(host, settings.read_token, settings.operate_token, settings.call_token)
    )


def tell_of_access(access: Access) -> None:
    """Print the token that was made, for whoever starts the application with a server of theirs."""
    if access.operate_token:
        sys.stdout.write(
            f"operate token, made for this run: {access.operate_token}\n"
            f"to sign in, add this to the address of the page: /#code={access.code}\n"
        )
        sys.stdout.flush()


def assemble(
    access: Access | None = None,
    *,
    host: str = "127.0.0.1",
    fingerprint: Path | None = _FINGERPRINT,
    on_ready: Callable[[Access], None] = tell_of_access,
) -> FastAPI:
    """The application for *host*. *on_ready* is told of the access once it is ready."""
    access = access or access_of(host)
    named = () if host in _WILDCARDS else (f"[{host}]" if ":" in host else host,)
    config = ConsoleConfig(
        hosts=(*get_settings().allowed_hosts, *named),
        gates=get_settings().ready_gates,
        title="KOO",
        version=version("koo-platform"),
        # Whoever takes backend/ alone has none, and alerts name their section without a link.
        runbooks=_RUNBOOKS.read_text(encoding="utf-8") if _RUNBOOKS.exists() else "",
    )
    console = Console(
        monitor,
        access,
        config,
        answers=hybrid_ai_manager,
        records=records,
        on_event=event_log.record,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with console.running(), delivering(courier):
            tell_of_changes(fingerprint)
            db_manager.start()
            hybrid_ai_manager.start()
            on_ready(access)
            try:
                yield
            finally:
                await asyncio.gather(hybrid_ai_manager.close(), db_manager.close())
                store.close()
                event_log.flush()

    app = FastAPI(
        title="KOO",
        version=config.version,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        dependencies=[Depends(_refuse_strangers)] if access.is_open else [],
    )
    console.install(app)
    app.include_router(database_router(console.desk.doors.looks))
    answer_outages(app)
    return app


def tell_of_changes(path: Path | None) -> None:
    """Compare the settings with those of the last start, kept at *path*, and tell which differ."""
    if path is None:
        return
    texts = get_settings().texts()
    before = Fingerprint.load(path)
    changed = before.changed(texts) if before else ()
    if changed:
        listener(ConfigurationChanged("system", changed))
    if changed or before is None:
        Fingerprint.of(texts).save(path)


async def _refuse_strangers(request: Request) -> None:
    host, _ = request.scope.get("server") or ("", None)
    if request.url.path not in _PROBES and not is_loopback(host):
        detail = (
            "no token is set, so this answers on loopback addresses alone; "
            "set KOO_READ_TOKEN and KOO_OPERATE_TOKEN"
        )
        raise Problem(403, "no_token_set", detail)
