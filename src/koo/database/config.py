"""What a database manager is told at birth: where the database is, and how much of everything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from math import inf
from sys import float_info
from types import UnionType
from typing import Any, Final, Literal

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from ..resilience import BreakerConfig, RetryBudget, RetryConfig
from .drivers.encryption import address_of, with_encryption
from .hosts.addresses import Address, Role, addresses_of, alone, role_of, spread
from .hosts.credentials import CredentialsProvider

__all__ = ["DatabaseConfig", "is_a"]

_DRIVERS: Final = {
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
    "postgresql+psycopg": "postgresql+psycopg",
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "mysql": "mysql+asyncmy",
    "mysql+asyncmy": "mysql+asyncmy",
    "mariadb": "mariadb+asyncmy",
    "mariadb+asyncmy": "mariadb+asyncmy",
}
_EXTRAS: Final = {
    "asyncpg": "database",
    "psycopg": "psycopg",
    "aiosqlite": "sqlite",
    "asyncmy": "mysql",
}
_KNOWN: Final = "postgresql, postgresql+psycopg, sqlite, mysql or mariadb"
_SHAPE: Final = "write dialect://user:password@host:port/name"
_USUAL: Final = "leave it out for the usual one"
_KINDS: Final[dict[str, tuple[Any, str]]] = {
    "url": (str, f"must be a string; {_SHAPE}"),
    "replicas": (str, f"must be a string; {_SHAPE}"),
    "breaker": (BreakerConfig, f"must be a BreakerConfig; {_USUAL}"),
    "retry": (RetryConfig, f"must be a RetryConfig; {_USUAL}"),
    "retry_budget": (RetryBudget | None, "must be a RetryBudget, or None for none"),
    "credentials": (Callable | None, "must be an async function; leave it out for none"),
}
_LEAST: Final = {"pool_size": 1, "max_overflow": 0, "max_waiting": 0}
_FINITE: Final = (
    *("pool_timeout", "pool_recycle", "timeout", "attempt_timeout"),
    *("check_timeout", "check_interval", "replica_staleness"),
)
_ENDLESS: Final = ("leak_after", "reclaim_after", "idle_in_transaction_timeout")
_FOR_EVER: Final = "; use inf for never"
_NEVER: Final = -1
_SHORTEST_LIFE: Final = 1.0
#: PostgreSQL counts it in milliseconds, 0 means never, and its integers have 32 bits.
_LEAST_IDLE, _MOST_IDLE = 0.001, 2_147_483.0
_LAST_PORT: Final = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseConfig:
    """Where the database is, how many connections, and how long everything may take.

    *url* is an SQLAlchemy URL; without a driver it gets the one we know best
    (``postgres://`` and ``postgresql://`` mean asyncpg). *pool_size* connections
    are kept, *max_overflow* more may be opened and stay open while they are of
    use; *pool_timeout* is the wait for one, for which at most *max_waiting* may
    stand in line; *pool_recycle* is the age at which one has been replaced (-1:
    never, else at least 1). *timeout* bounds a whole ``transact`` and each statement
    of a session, *attempt_timeout* one attempt from when it has its connection, *check_timeout*
    whatever only finds out whether the server is there (connecting, the ping before use, the
    health check), *check_interval* is the time between health checks. All in
    seconds. A loan longer than *leak_after* is told once, as an event; one longer
    than *reclaim_after* (by default never) is taken back. *retry_budget* is shared
    by all transactions; None turns it off. *commit_tokens* is how a lost COMMIT is
    found out: "auto" by the best witness that the database offers, "off" not at all.

    A URL may name several hosts (``one:5432,two:5433``); the one that can be written to
    is taken, or what ``target_session_attrs`` asks for. *credentials* says who
    logs in, instead of the URL. *replicas* is a URL with the standbys that read-only
    sessions may use as long as they are at most *replica_staleness* seconds behind.
    PostgreSQL and MariaDB end a transaction that is idle for *idle_in_transaction_timeout*
    seconds. It, *leak_after* and *reclaim_after* may be infinite, which is never.

    Raises ValueError with a sentence that names the field and never the URL.
    """

    url: str = field(repr=False)
    pool_size: int = 10
    max_overflow: int = 20
    pool_timeout: float = 30.0
    pool_recycle: float = 3600.0
    timeout: float = 60.0
    attempt_timeout: float = 30.0
    check_timeout: float = 5.0
    check_interval: float = 30.0
    breaker: BreakerConfig = field(default=BreakerConfig())
    retry: RetryConfig = field(default=RetryConfig())
    max_waiting: int = 1000
    leak_after: float = 60.0
    reclaim_after: float = float("inf")
    commit_tokens: Literal["auto", "off"] = "auto"
    retry_budget: RetryBudget | None = field(default_factory=RetryBudget, compare=False)
    credentials: CredentialsProvider | None = field(default=None, repr=False, compare=False)
    replicas: str = field(default="", repr=False)
    replica_staleness: float = 5.0
    idle_in_transaction_timeout: float = 60.0

    def __post_init__(self) -> None:
        """Refuse what could never work; complete the URL with its driver."""
        _check_kinds(self)
        _check_counts(self)
        _check_durations(self)
        _check_retry(self)
        object.__setattr__(self, "url", _completed(self.url, "url"))
        object.__setattr__(
            self, "replicas", self.replicas and _completed(self.replicas, "replicas")
        )
        if self.replicas and not _is_postgresql(make_url(self.replicas)):
            raise ValueError(_message("replicas", "must be standbys of PostgreSQL; use none"))

    @property
    def location(self) -> URL:
        """The URL in its parts; printed, it hides the password."""
        return make_url(self.url)

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Every server that the URL names."""
        return addresses_of(self.location)

    @property
    def role(self) -> Role:
        """What a server must be to be taken."""
        return role_of(self.location)

    @property
    def dialed(self) -> URL:
        """The URL for one of the servers, as a driver understands it."""
        return address_of(alone(self.location))

    @property
    def standbys(self) -> tuple[DatabaseConfig, ...]:
        """The same for each of the replicas, as a database of its own."""
        if not self.replicas:
            return ()
        url, mine = make_url(self.replicas), {"target_session_attrs": Role.STANDBY}
        return tuple(
            replace(
                self,
                url=alone(url)
                .set(host=one.host, port=one.port)
                .update_query_dict(mine)
                .render_as_string(hide_password=False),
                replicas="",
            )
            for one in addresses_of(url)
        )

    @property
    def is_memory(self) -> bool:
        """Whether the database lives in one SQLite connection and dies with it."""
        location = self.location
        if location.get_backend_name() != "sqlite":
            return False
        name = location.database or ":memory:"
        return ":memory:" in name or location.query.get("mode") == "memory"

    @property
    def kept(self) -> int:
        """How many connections are kept: what is in memory has room for one."""
        return 1 if self.is_memory else self.pool_size

    @property
    def overflow(self) -> int:
        """How many more connections may be opened."""
        return 0 if self.is_memory else self.max_overflow


def _check_kinds(config: DatabaseConfig) -> None:
    for name, (kind, rule) in _KINDS.items():
        if not is_a(getattr(config, name), kind):
            raise ValueError(_message(name, rule))
    if config.commit_tokens not in ("auto", "off"):
        raise ValueError(_message("commit_tokens", "must be auto or off"))


def _check_counts(config: DatabaseConfig) -> None:
    for name, least in _LEAST.items():
        value = getattr(config, name)
        if not is_a(value, int):
            raise ValueError(_message(name, f"must be a whole number, not {value!r}"))
        if value < least:
            rule = f"must be at least {least}" if least else "can't be negative; use 0 for none"
            raise ValueError(_message(name, rule))


def _check_durations(config: DatabaseConfig) -> None:
    for name, cure in {**dict.fromkeys(_FINITE, ""), **dict.fromkeys(_ENDLESS, _FOR_EVER)}.items():
        value = getattr(config, name)
        if not (
            is_a(value, int | float) and (abs(value) <= float_info.max or (cure and value == inf))
        ):
            rule = f"must be a finite number of seconds, not {value!r}{cure}"
            raise ValueError(_message(name, rule))
        if not (value > 0 or name == "pool_recycle"):
            raise ValueError(_message(name, "must be above 0 seconds"))
    if not (config.pool_recycle >= _SHORTEST_LIFE or config.pool_recycle == _NEVER):
        raise ValueError(_message("pool_recycle", "must be at least 1 second, or -1 for never"))
    idle = config.idle_in_transaction_timeout
    if not (_LEAST_IDLE <= idle <= _MOST_IDLE or idle == inf):
        rule = f"must be {_LEAST_IDLE:g} to {_MOST_IDLE:.0f} seconds, or inf for never"
        raise ValueError(_message("idle_in_transaction_timeout", rule))


def _check_retry(config: DatabaseConfig) -> None:
    """Refuse here what the first transaction would be refused for."""
    if config.retry.max_retries and config.retry.backoff.base_delay >= 2 * config.timeout:
        rule = "is mostly shorter than the first backoff of retry; raise it, or lower base_delay"
        raise ValueError(_message("timeout", rule))


def is_a(value: object, kind: type | UnionType) -> bool:
    """Whether *value* is a *kind*, asked of whoever had no type checker; a truth value is none."""
    return isinstance(value, kind) and not isinstance(value, bool)


def _completed(text: str, name: str) -> str:
    one, hosts = spread(text)
    url = _with_driver(_parsed(one, name), name)
    if hosts:
        url = url.update_query_dict({"host": hosts})
    _check_driver(url.get_driver_name(), name)
    _check_servers(url, name)
    if "autocommit" in url.query:
        raise ValueError(
            _message(name, "sets autocommit, and nothing would be undone; leave it out")
        )
    try:
        url = with_encryption(url)
    except ValueError as error:
        raise ValueError(_message(name, str(error))) from None
    return url.render_as_string(hide_password=False)


def _parsed(text: str, name: str) -> URL:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        url = None
    if url is None or not url.drivername:
        raise ValueError(_message(name, f"is not a database URL; {_SHAPE}"))
    return url


def _with_driver(url: URL, name: str) -> URL:
    complete = _DRIVERS.get(url.drivername)
    if complete is None:
        raise ValueError(_message(name, f"has a dialect or driver we don't know; use {_KNOWN}"))
    return url.set(drivername=complete)


def _check_driver(driver: str, name: str) -> None:
    if find_spec(driver) is None:
        cure = f"pip install 'koo-platform[{_EXTRAS[driver]}]'"
        raise ValueError(_message(name, f"needs the driver {driver}, which is missing; {cure}"))


def _check_servers(url: URL, name: str) -> None:
    try:
        addresses = addresses_of(url)
    except ValueError:
        addresses = (Address(port=0),)
    if not all(one.port is None or 0 < one.port <= _LAST_PORT for one in addresses):
        raise ValueError(_message(name, f"has a port that is none; use 1 to {_LAST_PORT}"))
    try:
        role = role_of(url)
    except ValueError:
        known = ", ".join(Role)
        words = f"has target_session_attrs that we don't know; use one of {known}"
        raise ValueError(_message(name, words)) from None
    is_file = url.get_backend_name() == "sqlite"
    if is_file and (len(addresses) > 1 or role is not Role.ANY):
        words = "names servers, and SQLite has none; name a file"
        raise ValueError(_message(name, words))


def _is_postgresql(url: URL) -> bool:
    return url.get_backend_name() == "postgresql"


def _message(name: str, rule: str) -> str:
    return f"DatabaseConfig: {name} {rule}"
