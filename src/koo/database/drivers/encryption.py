"""How a URL asks for TLS, told to each driver in its own words.

    ?sslmode=verify-full&sslrootcert=ca.pem --psycopg--> as it is: the words are libpq's
                                            --asyncpg--> taken out of the URL and given as a DSN,
                                                         in which alone it knows most of them

asyncpg's ``ssl`` is libpq's ``sslmode``, and is understood for both. What a MySQL URL says of TLS,
SQLAlchemy understands.
"""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

from sqlalchemy.engine import URL

__all__ = ["address_of", "encryption_of", "has_broken_off", "with_encryption"]

_MODE: Final = "sslmode"
_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_DEMANDING: Final = frozenset(_MODES[3:])
_IN_A_DSN: Final = frozenset(
    (
        *(_MODE, "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl", "sslnegotiation"),
        *("ssl_min_protocol_version", "ssl_max_protocol_version"),
    )
)
_FILES: Final = (
    *("sslrootcert", "sslcert", "sslkey", "sslcrl"),
    *("ssl_ca", "ssl_cert", "ssl_key"),
)
_OF_THE_SYSTEM: Final = "system"
_OF_SQLALCHEMY: Final = frozenset(("prepared_statement_cache_size", "async_creator_fn"))


def with_encryption(url: URL) -> URL:
    """*url* in its server's own words, as far as encryption goes.

    Raises ValueError, in words that follow "url", for what its driver could not take.
    """
    if url.get_backend_name() == "postgresql":
        url = _in_libpqs_words(url)
    _check_files(url)
    return url


def address_of(url: URL) -> URL:
    """What remains of *url* when what goes into the driver's arguments is taken out."""
    return url.difference_update_query(_IN_A_DSN) if _is_asyncpg(url) else url


def encryption_of(url: URL) -> dict[str, Any]:
    """The driver's arguments that *url* asks for, beside its address."""
    if not _is_asyncpg(url):
        return {}
    asked = {name: value for name, value in url.query.items() if name in _IN_A_DSN}
    return {"dsn": f"postgresql://?{urlencode(asked)}"} if asked else {}


def has_broken_off(error: ConnectionError, arguments: Mapping[str, Any]) -> bool:
    """Whether *error* speaks of refused TLS where the driver's *arguments* can do without.

    A backend that ends while it is asked says no, and why it ends, in one breath; asyncpg takes
    that for a refusal.
    """
    asked = parse_qs(urlsplit(arguments.get("dsn", "")).query).get(_MODE, ())
    return "rejected SSL upgrade" in str(error) and _DEMANDING.isdisjoint(asked)


def _in_libpqs_words(url: URL) -> URL:
    query = dict(url.query)
    if "ssl" in query:
        query[_MODE] = query.pop("ssl")
    if query.get(_MODE, _MODES[0]) not in _MODES:
        raise ValueError(f"has an {_MODE} that is none; use {', '.join(_MODES)}")
    if _is_asyncpg(url) and query:
        _check_parameters(set(query))
    return url.set(query=query)


def _is_asyncpg(url: URL) -> bool:
    return url.get_driver_name() == "asyncpg"


def _check_parameters(names: set[str]) -> None:
    import asyncpg  # noqa: PLC0415 - only who dials with it needs it

    unknown = names - _IN_A_DSN - _OF_SQLALCHEMY - set(signature(asyncpg.connect).parameters)
    if unknown:
        raise ValueError(
            f"has a parameter that asyncpg does not take, {min(unknown)}; leave it out,"
            " or use the driver psycopg"
        )


def _check_files(url: URL) -> None:
    # libpq takes the system's own authorities by this name, asyncpg does not.
    exempt = "" if _is_asyncpg(url) else _OF_THE_SYSTEM
    for name in _FILES:
        value = url.query.get(name, exempt)
        if value != exempt and not Path(str(value)).is_file():
            raise ValueError(f"names an {name} that is no file; give the path of a PEM file")
