"""The channels of Apprise: chats, mail, pagers; a URL each. Needs the extra ``notify``."""

from __future__ import annotations

import asyncio
import warnings
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from ..alerts import Alert, AlertState
from ..naming import service_name
from .posting import DeliveryError
from .routing import Message

__all__ = ["Chat"]


@dataclass(frozen=True, slots=True)
class Chat:
    """Writes each message to where *url* says, which may hold a secret and is never shown.

    Raises ``ValueError`` for a URL that Apprise does not know, or without Apprise.
    """

    name: str
    url: str = field(repr=False)

    def __post_init__(self) -> None:
        with warnings.catch_warnings():
            # Its own affair: it loads a hundred plugins, some by modules that Python has dropped.
            warnings.simplefilter("ignore", DeprecationWarning)
            known = _apprise().Apprise.instantiate(self.url)
        if known is None:
            raise ValueError("notification address: Apprise does not know such a URL")

    async def send(self, message: Message) -> None:
        """Deliver *message*; raises DeliveryError."""
        apprise = _apprise()
        channel = apprise.Apprise()
        # Making it may read files, certificates and the name service.
        await asyncio.to_thread(channel.add, self.url)
        kind = apprise.NotifyType.WARNING if message.firing else apprise.NotifyType.SUCCESS
        told = await channel.async_notify(_body(message), title=_title(message), notify_type=kind)
        if not told:
            raise DeliveryError("refused")


def _apprise() -> Any:  # noqa: ANN401 - a module
    try:
        return import_module("apprise")
    except ModuleNotFoundError:
        what = "notification address: this one needs Apprise; pip install 'koo-platform[notify]'"
        raise ValueError(what) from None


def _title(message: Message) -> str:
    if not message.firing:
        return f"Over: {', '.join(sorted({one.title for one in message.resolved}))}"
    worst, *others = message.firing
    more = f", and {len(others)} more" if others else ""
    return f"{worst.severity.value}: {service_name(worst.component)}, {worst.title.lower()}{more}"


def _body(message: Message) -> str:
    return "\n".join(_line(one) for one in (*message.firing, *message.resolved))


def _line(alert: Alert) -> str:
    cause = f" ({alert.cause})" if alert.cause and alert.state is not AlertState.RESOLVED else ""
    return f"{alert.message}{cause}"
