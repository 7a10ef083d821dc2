"""Who is told of alerts: the addresses of a variable, by how they begin.

http://, https:// --------------> a webhook
alertmanager+http://, ...s:// --> an Alertmanager
anything else ------------------> what Apprise makes of it: mailto://, slack://, ...
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from koo.monitoring.notify import Address, Alertmanager, Channel, Chat, Webhook

from .refusals import SettingsError

__all__ = ["Telling", "read_telling"]

_WEBHOOKS: Final = ("http", "https")
_ALERTMANAGER: Final = "alertmanager+"
_ALERTS: Final = "/api/v2/alerts"


@dataclass(frozen=True, slots=True)
class Telling:
    """*channels* get each message once or more; *alertmanagers* are told what stands."""

    channels: tuple[Channel, ...] = ()
    alertmanagers: tuple[Alertmanager, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.channels or self.alertmanagers)


def read_telling(text: str) -> Telling:
    """What the addresses in *text* mean; SettingsError, without the address, for a wrong one."""
    try:
        found = [_read(url) for url in text.split()]
    except ValueError as error:
        what = str(error).removeprefix("notification address: ")
        raise SettingsError(f"KOO_NOTIFY_URLS {what}; correct it") from None
    named = list(_with_own_names(found))
    return Telling(
        tuple(one for one in named if not isinstance(one, Alertmanager)),
        tuple(one for one in named if isinstance(one, Alertmanager)),
    )


def _read(url: str) -> Webhook | Chat | Alertmanager:
    scheme = url.partition("://")[0].lower()
    if scheme in _WEBHOOKS:
        address = Address(url)
        return Webhook(f"webhook {urlsplit(url).hostname}", address)
    if scheme.startswith(_ALERTMANAGER):
        where = url[len(_ALERTMANAGER) :]
        Address(where)  # Before it is taken apart, which says of a wrong one what it is.
        name = f"alertmanager {urlsplit(where).hostname}"
        whole = where if urlsplit(where).path.strip("/") else where.rstrip("/") + _ALERTS
        return Alertmanager(Address(whole), name=name)
    return Chat(scheme if scheme.isalnum() else "chat", url)


def _with_own_names(
    found: Iterable[Webhook | Chat | Alertmanager],
) -> Iterable[Webhook | Chat | Alertmanager]:
    """The second of a name is called so: what waits for one must not go to the other."""
    seen: dict[str, int] = {}
    for one in found:
        number = seen[one.name] = seen.get(one.name, 0) + 1
        yield one if number == 1 else replace(one, name=f"{one.name} {number}")
