"""Where messages go: a webhook that gets each once or more, an Alertmanager that is told again.

Webhook        one POST a message, in the shape that Alertmanager gives its receivers
Alertmanager   every so many seconds all that stands, and for a while what is over;
it groups, silences and reminds by itself, so it needs no outbox
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from ..alerts import Alert, AlertState, Severity
from ..naming import service_name
from .posting import Address
from .routing import Message

__all__ = ["Alertmanager", "Channel", "Webhook"]

_ONGOING: Final = "0001-01-01T00:00:00Z"


class Channel(Protocol):
    """A way to people."""

    @property
    def name(self) -> str:
        """What the outbox calls it; the same after a restart."""
        ...

    async def send(self, message: Message) -> None:
        """Deliver *message*; raises DeliveryError, or anything else, if it did not arrive."""
        ...


@dataclass(frozen=True, slots=True)
class Webhook:
    """Posts each message to *address*, as version 4 of Alertmanager's webhook."""

    name: str
    address: Address
    page: str = ""

    async def send(self, message: Message) -> None:
        """Deliver *message*; raises DeliveryError."""
        await self.address.post(json.dumps(self._body(message)).encode())

    def _body(self, message: Message) -> dict[str, Any]:
        ends = _iso(message.at)
        alerts = [_told(one, _ONGOING, self.page) for one in message.firing]
        alerts += [_told(one, ends, self.page) for one in message.resolved]
        kind, _, severity = message.group.partition(":")
        labels = {"kind": kind, "severity": severity}
        return {
            "version": "4",
            "groupKey": message.group,
            "truncatedAlerts": 0,
            "status": "firing" if message.firing else "resolved",
            "receiver": self.name,
            "groupLabels": labels,
            "commonLabels": labels,
            "commonAnnotations": {},
            "externalURL": self.page,
            "alerts": alerts,
        }


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """Tells the Alertmanager at *address* (its ``/api/v2/alerts``) what stands, again and again."""

    address: Address
    page: str = ""
    name: str = "alertmanager"

    async def tell(
        self, standing: Iterable[Alert], over: Iterable[tuple[Alert, float]], *, until: float
    ) -> None:
        """What stands ends at epoch second *until* unless told again; what is *over*, then."""
        alerts = [_listed(one, until, self.page) for one in standing]
        alerts += [_listed(one, ended, self.page) for one, ended in over]
        if alerts:
            await self.address.post(json.dumps(alerts).encode())


def _told(alert: Alert, ends: str, page: str) -> dict[str, Any]:
    over = alert.state is AlertState.RESOLVED
    return {
        "status": "resolved" if over else "firing",
        "labels": _labels(alert),
        "annotations": _annotations(alert),
        "startsAt": _iso(alert.since),
        "endsAt": ends,
        "generatorURL": page,
        "fingerprint": alert.id,
    }


def _listed(alert: Alert, ends: float, page: str) -> dict[str, Any]:
    listed = {
        "labels": _labels(alert),
        "annotations": _annotations(alert),
        "startsAt": _iso(alert.since),
        "endsAt": _iso(ends),
    }
    return listed | ({"generatorURL": page} if page else {})


def _labels(alert: Alert) -> dict[str, str]:
    rule = alert.id.removeprefix(f"{alert.component}:")
    severity = Severity(alert.severity).value
    return {
        "alertname": rule,
        "component": alert.component,
        "service": service_name(alert.component),
        "severity": severity,
    }


def _annotations(alert: Alert) -> dict[str, str]:
    told = {"summary": alert.title, "description": alert.message, "runbook_url": alert.runbook}
    return told | ({"cause": alert.cause} if alert.cause else {})


def _iso(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
