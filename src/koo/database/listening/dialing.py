"""A new connection, in time: to which server, and as whom.

connect --> whichever host answers first and has the wanted role, all within check_timeout
   |           each by the route that fits
   +------> login refused: once more with newer credentials, if there are any
   +------> as much time again until it is prepared
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, TypeVar, cast

from sqlalchemy import event
from sqlalchemy.engine import Dialect, Engine
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util import await_, greenlet_spawn

from ..config import DatabaseConfig
from ..drivers import driver
from ..drivers.deadlined import Countdown
from ..drivers.encryption import encryption_of, has_broken_off
from ..hosts.addresses import Address, Role
from ..hosts.credentials import Credentials, CredentialsCache
from ..hosts.roles import has_role
from ..hosts.seeking import Hosts, Unsuitable
from ..pool import OUTDATED
from ..theirs import Theirs
from ..verdicts import as_database_error, is_login_refused
from .route import Route
from .understanding import is_raw, understand

__all__ = ["Destination", "connect_arguments", "listen_to_dialing"]

T = TypeVar("T")

_PREPARING: Final = "koo.preparing"


def connect_arguments(config: DatabaseConfig) -> dict[str, Any]:
    """What to connect with beside the URL."""
    # Never before the time for a new connection is over, which SQLAlchemy's errors tell of.
    limit = max(config.timeout, 2 * config.check_timeout)
    url = config.location
    return {**driver(url.get_driver_name()).arguments(limit), **encryption_of(url)}


@dataclass(frozen=True, slots=True)
class Destination:
    """Which servers an engine connects to, and who logs in there; None: who the URL says."""

    hosts: Hosts
    role: Role
    credentials: CredentialsCache | None = None


def listen_to_dialing(engine: Engine, timeout: float, destination: Destination) -> None:
    """Bound each connect of *engine* by *timeout* seconds, and understand its errors."""
    event.listen(engine, "do_connect", _dialer(timeout, destination, engine.dialect))
    event.listen(engine, "connect", _prepared)
    event.listen(engine, "handle_error", understand)


def _dialer(timeout: float, destination: Destination, dialect: Dialect) -> Callable[..., Any]:
    """What connects, in *timeout* seconds; as many again may go by until it is prepared."""
    routes = defaultdict[Address, Route](partial(Route, dialect))

    def dial(
        _dialect: Dialect,
        record: ConnectionPoolEntry,
        cargs: Sequence[Any],
        cparams: dict[str, Any],
    ) -> DBAPIConnection:
        seeking = _found(destination, _Login(routes, destination.role, cargs, cparams))
        late = partial(_late, timeout, destination.credentials)
        connection, record.info[OUTDATED] = _connected(timeout, seeking, late)
        # What SQLAlchemy asks of a new connection has no limit of its own.
        record.info[_PREPARING] = Countdown(timeout, connection.driver_connection)
        return cast("DBAPIConnection", connection)

    return dial


def _connected(
    timeout: float, seeking: Coroutine[Any, Any, T], late: Callable[[], TimeoutError]
) -> T:
    try:
        return await_(_in_time(timeout, seeking))
    except TimeoutError as error:
        raise as_database_error(late()) from error
    except Exception as error:
        if is_raw(error):
            raise as_database_error(error) from error
        raise


def _late(seconds: float, credentials: CredentialsCache | None) -> TimeoutError:
    is_vaults = credentials is not None and credentials.are_awaited
    why = ": the credentials provider has not answered" if is_vaults else ""
    return TimeoutError(f"no connection in {seconds:g} s{why}")


async def _in_time(seconds: float, seeking: Coroutine[Any, Any, T]) -> T:
    async with asyncio.timeout(seconds):
        return await seeking


async def _found(destination: Destination, login: _Login) -> tuple[Theirs, Callable[[], bool]]:
    """A connection, and what tells whether others have to log in by now."""
    hosts, credentials = destination.hosts, destination.credentials
    if credentials is None:
        return await hosts.find(login.at), bool
    known = await credentials.current()
    try:
        connection = await hosts.find(login.by(known).at)
    except Exception as error:
        newer = await credentials.newer_than(known) if is_login_refused(error) else None
        if newer is None:
            raise
    else:
        return connection, partial(credentials.are_newer_than, known)
    return await hosts.find(login.by(newer).at), partial(credentials.are_newer_than, newer)


@dataclass(frozen=True, slots=True)
class _Login:
    """What SQLAlchemy would connect with, and the role that the server must have."""

    routes: Mapping[Address, Route]
    role: Role
    args: Sequence[Any]
    parameters: dict[str, Any]

    def by(self, credentials: Credentials) -> _Login:
        """The same, as somebody else."""
        mine = {"user": credentials.user, "password": credentials.password}
        return replace(self, parameters={**self.parameters, **mine})

    async def at(self, address: Address) -> Theirs:
        """A connection to the server at *address*. Raises Unsuitable if it is of another role."""
        given = {name: value for name, value in address._asdict().items() if value is not None}
        parameters = {**self.parameters, **given}
        return await greenlet_spawn(self._connected, self.routes[address], parameters)

    def _connected(self, route: Route, parameters: dict[str, Any]) -> Theirs:
        try:
            connection = route.connect(self.args, parameters)
        except ConnectionError as error:
            if has_broken_off(error, parameters):
                raise ConnectionResetError("the server has broken off") from error
            raise
        try:
            if not has_role(connection, self.role):
                raise Unsuitable(self.role)  # noqa: TRY301
        except BaseException:
            connection.close()
            raise
        return connection


def _prepared(_connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    countdown: Countdown = record.info.pop(_PREPARING)
    countdown.stop()
    if countdown.is_over:
        raise as_database_error(TimeoutError("no answer in time to what prepares a connection"))
