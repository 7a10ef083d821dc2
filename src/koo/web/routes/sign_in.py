"""How the page signs in: a token or the one-time code for a cookie.

POST {"code": ...} or {"token": ...} --> Set-Cookie: HttpOnly; SameSite=Strict
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request, Response
from pydantic import TypeAdapter, ValidationError

from ..access import Access, Principal
from ..answers import AboutView, SignInAnswer
from ..doors import Doors, check_same_origin, cookie_name, read_body
from ..problems import Problem
from .texts import ACTING

__all__ = ["sign_in_router"]


@dataclass(frozen=True, slots=True)
class _Proof:
    code: str | None = None
    token: str | None = None


_PROOF: Final = TypeAdapter(_Proof)


@dataclass(frozen=True, slots=True)
class _SignIn:
    access: Access
    doors: Doors
    about: AboutView

    async def who(self, request: Request) -> SignInAnswer:
        """Who you are to this server; never an error, so that the page can ask."""
        try:
            principal: Principal | None = self.doors.principal(request)
        except Problem:
            principal = None
        return self._answer(principal)

    async def sign_in(self, request: Request, response: Response) -> SignInAnswer:
        """Exchange a token, or the one-time code of the sign-in link, for a cookie."""
        check_same_origin(request)
        # By address: who guesses elsewhere must not lock out who is on call.
        self.doors.spend(f"sign-in from {request.client.host if request.client else 'nowhere'}")
        proof = await _read_proof(request)
        signed = self.access.sign_in(proof.code or proof.token or "")
        if signed is None:
            detail = "this token or code is not known; a code works once, a token always"
            raise Problem(401, "unauthorized", detail, {"WWW-Authenticate": 'Bearer realm="koo"'})
        principal, value = signed
        response.set_cookie(
            cookie_name(request),
            value,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return self._answer(principal)

    async def sign_out(self, request: Request, response: Response) -> SignInAnswer:
        """Forget the cookie, here and in the browser."""
        check_same_origin(request)
        self.access.sign_out(request.cookies.get(cookie_name(request), ""))
        response.delete_cookie(cookie_name(request), httponly=True, samesite="strict")
        return self._answer(self.access.anonymous())

    def _answer(self, principal: Principal | None) -> SignInAnswer:
        return SignInAnswer(
            scope=principal.scope.value if principal else None,
            signed_in=principal is not None and principal.by_cookie,
            about=self.about,
        )


async def _read_proof(request: Request) -> _Proof:
    try:
        return _PROOF.validate_json(await read_body(request))
    except ValidationError:
        detail = 'the body must be JSON: {"token": "..."} or {"code": "..."}'
        raise Problem(422, "invalid_body", detail) from None


def sign_in_router(access: Access, doors: Doors, about: AboutView) -> APIRouter:
    """``/api/v1/session``: ask who you are, sign in, sign out."""
    router = APIRouter(prefix="/api/v1/session", tags=["sign-in"])
    routes = _SignIn(access, doors, about)
    router.add_api_route("", routes.who)
    router.add_api_route("", routes.sign_in, methods=["POST"], responses=ACTING)
    router.add_api_route("", routes.sign_out, methods=["DELETE"], responses=ACTING)
    return router
