"""Who may look, act, or call AI services: tokens, one-time codes, sign-ins. No HTTP here.

    Bearer token ----------------------------------------+--> Principal(scope) or nobody
    one-time code or token --sign_in()--> cookie value --+

Nothing that opens a door is kept: only its SHA-256 digest, compared in constant
time. On a loopback address without configured tokens looking is free, and a
token for acting is made at the start, to be printed once.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest
from ipaddress import ip_address
from typing import Final

from ..resilience import SYSTEM_CLOCK, Clock

__all__ = ["Access", "AccessConfig", "Principal", "Scope", "is_loopback"]

_SIGN_IN_SECONDS: Final = 12 * 3600.0
_MOST_SIGN_INS: Final = 100
_HASHED: Final = "sha256:"
_MAKE_ONE: Final = "make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(24))'"
#: Where others can try, shorter ones are guessed.
_SHORTEST: Final = 16
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class Scope(StrEnum):
    """What somebody may do; acting includes looking and calling, calling nothing else."""

    READ = "read"
    CALL = "call"
    OPERATE = "operate"


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody at the door. *name* is what the journal says, *key* whose allowance is used."""

    scope: Scope
    name: str
    key: str
    by_cookie: bool = False

    @property
    def looks(self) -> bool:
        """Whether looking is allowed."""
        return self.scope is not Scope.CALL

    @property
    def calls(self) -> bool:
        """Whether calling AI services is allowed."""
        return self.scope is not Scope.READ

    @property
    def operates(self) -> bool:
        """Whether acting is allowed."""
        return self.scope is Scope.OPERATE


@dataclass(frozen=True, slots=True)
class AccessConfig:
    """The address that is listened on, and the tokens.

    Each role has one token or several, separated by commas: the new one and, until all
    who use it have changed, the old one. ``sha256:`` and 64 hexadecimal digits stand for
    the token with this digest, so that its text need not be there. Raises ``ValueError``
    for a public address without any token, for an unusable token, for one below 16 characters
    at a public address, and for one token twice.
    """

    host: str = "127.0.0.1"
    read_token: str | None = None
    operate_token: str | None = None
    call_token: str | None = None

    def __post_init__(self) -> None:
        """Refuse what would leave the door open."""
        tokens = {"read": self.read_token, "operate": self.operate_token, "call": self.call_token}
        for name, text in tokens.items():
            if not all(_is_usable(token) for token in _split(text)):
                raise ValueError(
                    f"access: the {name} token must be printable ASCII without spaces; {_MAKE_ONE}"
                )
            if not is_loopback(self.host) and any(len(it) < _SHORTEST for it in _split(text)):
                raise ValueError(
                    f"access: {self.host} can be reached by others and the {name} token is short; "
                    f"give it {_SHORTEST} characters or more; {_MAKE_ONE}"
                )
        given = [_digest_of(token) for text in tokens.values() for token in _split(text)]
        if len(set(given)) < len(given):
            raise ValueError("access: two of the tokens are the same; give each its own")
        if not self.has_tokens and not is_loopback(self.host):
            raise ValueError(
                f"access: {self.host} can be reached by others and no token is set; "
                "set KOO_READ_TOKEN and KOO_OPERATE_TOKEN, or listen on 127.0.0.1"
            )

    @property
    def has_tokens(self) -> bool:
        """Whether looking needs a token, because one for it is configured."""
        return self.read_token is not None or self.operate_token is not None


def _split(tokens: str | None) -> tuple[str, ...]:
    return () if tokens is None else tuple(tokens.split(","))


def _is_usable(token: str) -> bool:
    if token.startswith(_HASHED):
        return _DIGEST.fullmatch(token.removeprefix(_HASHED)) is not None
    return token.isascii() and token.isprintable() and bool(token) and " " not in token


def is_loopback(host: str) -> bool:
    """Whether *host* can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class _SignIn:
    principal: Principal
    until: float


def _new_secret() -> str:
    return secrets.token_urlsafe(24)


class Access:
    """The tokens and sign-ins of one process.

    ``operate_token`` and ``code`` are there in plain text only if they were made
    here: print them once.
    """

    def __init__(
        self,
        config: AccessConfig | None = None,
        *,
        clock: Clock = SYSTEM_CLOCK,
        new_secret: Callable[[], str] = _new_secret,
    ) -> None:
        config = config or AccessConfig()
        self._clock = clock
        self._new_secret = new_secret
        makes_token = config.operate_token is None and is_loopback(config.host)
        self.is_open = not config.has_tokens
        self.operate_token = new_secret() if makes_token else None
        self.code = new_secret() if makes_token else None
        self._tokens = _principals(
            config.read_token, config.operate_token or self.operate_token, config.call_token
        )
        self._code = _digest(self.code) if self.code else None
        self._sign_ins: dict[bytes, _SignIn] = {}

    def sign_in_link(self, base: str) -> str | None:
        """The page's address with the one-time code, which a browser never sends; once."""
        return f"{base.rstrip('/')}/#code={self.code}" if self.code else None

    def anonymous(self) -> Principal | None:
        """Who comes with nothing: may look where looking is free, else is nobody."""
        return Principal(Scope.READ, "anonymous", "anonymous") if self.is_open else None

    def bearer(self, token: str) -> Principal | None:
        """Whose token this is."""
        found = None
        for digest, principal in self._tokens.items():
            if compare_digest(digest, _digest(token)):
                found = principal
        return found

    def cookie(self, value: str) -> Principal | None:
        """Who signed in with this cookie, unless that was too long ago."""
        sign_in = self._sign_ins.get(_digest(value))
        if sign_in is None or self._clock.monotonic() >= sign_in.until:
            return None
        return sign_in.principal

    def sign_in(self, proof: str) -> tuple[Principal, str] | None:
        """Who brings this token or unused one-time code, and the cookie value for it."""
        principal = self._spend_code(proof) or self.bearer(proof)
        if principal is None or not principal.looks:
            return None
        value = self._new_secret()
        signed = Principal(principal.scope, f"page ({principal.scope})", principal.key, True)  # noqa: FBT003
        self._make_room(signed.scope)
        until = self._clock.monotonic() + _SIGN_IN_SECONDS
        self._sign_ins[_digest(value)] = _SignIn(signed, until)
        return signed, value

    def sign_out(self, value: str) -> None:
        """Forget a cookie."""
        self._sign_ins.pop(_digest(value), None)

    def _spend_code(self, proof: str) -> Principal | None:
        if self._code is None or not compare_digest(self._code, _digest(proof)):
            return None
        self._code = None
        return _operator()

    def _make_room(self, scope: Scope) -> None:
        """Who may only look signs nobody out who may act."""
        same = [value for value, one in self._sign_ins.items() if one.principal.scope is scope]
        if len(same) >= _MOST_SIGN_INS:
            del self._sign_ins[same[0]]


def _operator() -> Principal:
    return Principal(Scope.OPERATE, "operate token", "operate")


def _principals(read: str | None, operate: str | None, call: str | None) -> dict[bytes, Principal]:
    owners = (
        (read, Principal(Scope.READ, "read token", "read")),
        (call, Principal(Scope.CALL, "call token", "call")),
        (operate, _operator()),
    )
    return {_digest_of(token): owner for tokens, owner in owners for token in _split(tokens)}


def _digest_of(token: str) -> bytes:
    """The digest of a configured token, which may be one already."""
    if token.startswith(_HASHED):
        return bytes.fromhex(token.removeprefix(_HASHED))
    return _digest(token)


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogateescape")).digest()
