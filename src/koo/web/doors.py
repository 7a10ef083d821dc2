"""Who passes, as FastAPI dependencies. They run before anything reads the body.

GET   nothing | Bearer | cookie ----------------> looks
POST  Bearer ------------------------------+
cookie + same-origin + JSON body ----+----> acts, at most 60 a minute and token
                                           +----> calls, which the services limit themselves
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import StringConstraints, TypeAdapter, ValidationError

from ..errors import Rejected
from ..resilience import (
    ONE_REQUEST,
    SUCCESS,
    SYSTEM_CLOCK,
    Clock,
    Limit,
    RateLimiter,
    RateLimiterConfig,
)
from .access import Access, Principal
from .problems import Problem

__all__ = [
    "POSTS_PER_MINUTE",
    "Doors",
    "cookie_name",
    "one_line",
    "read_body",
    "read_json",
    "reason_of",
]

POSTS_PER_MINUTE: Final = 60

_MINUTE: Final = 60.0
_MOST_KEYS: Final = 1000


@dataclass(frozen=True, slots=True)
class _ReasonBody:
    reason: Annotated[str, StringConstraints(max_length=500)] | None = None


_REASON: Final = TypeAdapter(_ReasonBody)

# Only says in the OpenAPI document that there are tokens; we read the header ourselves, because
# a wrong scheme must be an error too.
_Documented = Annotated[
    HTTPAuthorizationCredentials | None,
    Security(HTTPBearer(auto_error=False, scheme_name="token", description="A koo token.")),
]


def cookie_name(request: Request) -> str:
    """The name of the sign-in cookie; browsers share cookies between the ports of a host."""
    return f"koo_{request.url.port or request.url.scheme}"


class Doors:
    """The dependencies ``looks`` and ``acts``, and the allowance of POSTs."""

    def __init__(
        self, access: Access, *, per_minute: int = POSTS_PER_MINUTE, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._access = access
        self._clock = clock
        self._allowance = RateLimiterConfig(limits=(Limit(per_minute, _MINUTE),))
        self._limiters: dict[str, RateLimiter] = {}

    async def looks(self, request: Request, _: _Documented = None) -> None:
        """Let pass who may look."""
        if not self.principal(request).looks:
            detail = "this token may call AI services and nothing else; use the read token"
            raise Problem(403, "call_only", detail)

    def still_looks(self, request: Request) -> bool:
        """Whether who was let in to look still may: a sign-in ends."""
        try:
            return self.principal(request).looks
        except Problem:
            return False

    async def acts(self, request: Request, _: _Documented = None) -> None:
        """Let pass who may act, and comes from our own page if by cookie."""
        principal = self.principal(request)
        if principal.key == "anonymous":
            raise _unknown("this needs the operate token; sign in, or send it as a Bearer token")
        if not principal.operates:
            raise Problem(403, "read_only", "this token may not act; use the operate token")
        if principal.by_cookie:
            check_same_origin(request)

    async def calls(self, request: Request, _: _Documented = None) -> None:
        """Let pass who may call AI services, and comes from our own page if by cookie."""
        principal = self.principal(request)
        if principal.key == "anonymous":
            raise _unknown("this needs the call token; send it as Authorization: Bearer")
        if not principal.calls:
            raise Problem(403, "read_only", "this token may look, not call; use the call token")
        if principal.by_cookie:
            check_same_origin(request)

    async def spends(self, request: Request) -> None:
        """Take this POST from the allowance of whoever sends it."""
        self.spend(self.principal(request).key)

    def principal(self, request: Request) -> Principal:
        """Who is asking; raises the 401 if that is nobody."""
        header = request.headers.get("authorization")
        if header is not None:
            principal = self._bearer(header)
        else:
            cookie = request.cookies.get(cookie_name(request))
            principal = self._access.cookie(cookie) if cookie else None
            principal = principal or self._access.anonymous()
        if principal is None:
            raise _unknown("sign in, or send a known token as Authorization: Bearer")
        return principal

    def spend(self, key: str) -> None:
        """Take one POST of the allowance of *key*; raises the 429 when it is used up."""
        permit = self._limiter(key).admit(ONE_REQUEST)
        if isinstance(permit, Rejected):
            detail = "too many POSTs with this token; try again after the time in Retry-After"
            raise Problem.retry(429, "too_many_posts", detail, permit.retry_after or 1)
        permit.settle(SUCCESS)

    def _limiter(self, key: str) -> RateLimiter:
        """That of *key*; of a thousand the one that was used longest ago is forgotten."""
        limiter = self._limiters.pop(key, None)
        if limiter is None:
            limiter = RateLimiter(f"posts of {key}", self._allowance, clock=self._clock)
        self._limiters[key] = limiter
        if len(self._limiters) > _MOST_KEYS:
            del self._limiters[next(iter(self._limiters))]
        return limiter

    def _bearer(self, header: str) -> Principal | None:
        scheme, _, token = header.partition(" ")
        return self._access.bearer(token.strip()) if scheme.lower() == "bearer" else None


def _unknown(detail: str) -> Problem:
    return Problem(401, "unauthorized", detail, {"WWW-Authenticate": 'Bearer realm="koo"'})


def check_same_origin(request: Request) -> None:
    """Raise the 403 for a cookie that another site made the browser send."""
    if not _is_same_origin(request):
        detail = "a signed-in POST must come from this page itself; use a Bearer token elsewhere"
        raise Problem(403, "cross_site", detail)
    if not _is_json(request):
        raise _not_json()


def _is_same_origin(request: Request) -> bool:
    """What the browser says; over plain HTTP, except to this machine, it names the origin alone."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    _, _, origin = request.headers.get("origin", "").partition("://")
    return origin == request.headers["host"]


async def reason_of(request: Request) -> str | None:
    """The reason that somebody gave for acting; the body may be absent."""
    body = await read_json(request)
    if not body:
        return None
    try:
        reason = _REASON.validate_json(body).reason
    except ValidationError:
        detail = 'the body must be absent, or JSON like {"reason": "at most 500 characters"}'
        raise Problem(422, "invalid_body", detail) from None
    return one_line(reason or "") or None


def one_line(text: str) -> str:
    """*text* without what could forge a line of the log, or steer the terminal that shows it."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


async def read_body(request: Request) -> bytes:
    """The whole body, which the guard before us keeps small."""
    return await request.body()


async def read_json(request: Request) -> bytes:
    """The whole body, which must be called JSON if there is any."""
    body = await read_body(request)
    if body and not _is_json(request):
        raise _not_json()
    return body


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0]
    return kind.strip().lower() == "application/json"


def _not_json() -> Problem:
    return Problem(415, "not_json", "the body must be JSON: Content-Type: application/json")
