"""The hosts that a URL names, and the role that a server must have to be taken."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from sqlalchemy.engine import URL

__all__ = ["Address", "Role", "addresses_of", "alone", "role_of", "spread"]

_HOST: Final = "host"
_ROLE: Final = "target_session_attrs"


class Role(StrEnum):
    """What a server must be, in libpq's words (``target_session_attrs``)."""

    ANY = "any"
    READ_WRITE = "read-write"
    READ_ONLY = "read-only"
    PRIMARY = "primary"
    STANDBY = "standby"


class Address(NamedTuple):
    """Where one server listens; what is None is the driver's default."""

    host: str | None = None
    port: int | None = None


def spread(text: str) -> tuple[str, list[str]]:
    """*text* without its hosts, and those hosts, if it names several as libpq does.

    ``scheme://user:password@one:5432,two:5433/name``; SQLAlchemy understands no comma there.
    """
    scheme, mark, rest = text.partition("://")
    ends = [position for sign in "/?" if (position := rest.find(sign)) >= 0]
    end = min(ends, default=len(rest))
    user, at, hosts = rest[:end].rpartition("@")
    if not mark or "," not in hosts:
        return text, []
    return f"{scheme}://{user}{at}{rest[end:]}", hosts.split(",")


def addresses_of(url: URL) -> tuple[Address, ...]:
    """Every server that *url* names; one of the driver's choice if it names none.

    Raises ValueError for a port that is none.
    """
    hosts = url.query.get(_HOST)
    if not isinstance(hosts, tuple):
        return (Address(url.host, url.port),)
    return tuple(_address(host) for host in hosts)


def role_of(url: URL) -> Role:
    """What a server must be: what *url* says; with several hosts, one that can be written to.

    Raises ValueError for a role that is none.
    """
    given = url.query.get(_ROLE)
    if given is None:
        return Role.READ_WRITE if len(addresses_of(url)) > 1 else Role.ANY
    return Role(str(given))


def alone(url: URL) -> URL:
    """*url* for its first server only, with nothing in it that a driver would choose by."""
    first, *others = addresses_of(url)
    one = url.set(host=first.host, port=first.port) if others else url
    return one.difference_update_query([_ROLE, _HOST] if others else [_ROLE])


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    if not host:
        return Address(text)
    return Address(host.strip("[]"), int(port) if port else None)
