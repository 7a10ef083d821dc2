"""A provider over HTTP: a vendor's wire format, an address and a key.

    Request --POST--> 2xx, readable -----> Completion
                      2xx, refused ------> ContentRefusedError (billed)
                      an error answer ---> judge -> the error class of its table
                      no answer ---------> ServiceConnectionError

It sends once and has no timeout of its own: whoever calls it limits its time. Of
an answer only its parts of known shape get into a message; never its text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from http import HTTPStatus
from typing import Final

from aiohttp import ClientError, ClientResponse

from ...errors import (
    ContentRefusedError,
    ExternalServiceError,
    InvalidRequestError,
)
from ...resilience import SYSTEM_CLOCK, Clock
from ..config import ServiceConfig, trust_in
from ..provider import NOTHING, Completion, Prompt, Request
from ..verdicts import Surface, Verdict, billed, judge
from .breaks import broken
from .sessions import Sessions
from .waits import named_wait, without_windows
from .wire import Answer, Wire

__all__ = ["HTTPProvider"]

_MODEL: Final = re.compile(r"[\w.:/@+-]{1,200}", re.ASCII)
_WORD: Final = re.compile(r"[A-Za-z]+(_[A-Za-z]+)*")
_REQUEST_ID: Final = re.compile(r"[\w.:-]{1,128}", re.ASCII)
_LONGEST_WORD: Final = 64
_LARGEST_ANSWER: Final = 64 * 2**20
_NO_LIST: Final = frozenset({403, 404, 405})


@dataclass(frozen=True, slots=True)
class _Reply:
    """What came back: headers with lower-case names, and the document or None."""

    status: int
    headers: Mapping[str, str]
    document: object

    @property
    def request_id(self) -> str | None:
        for name in ("request-id", "x-request-id"):
            if _REQUEST_ID.fullmatch(found := self.headers.get(name, "")):
                return found
        return None


class HTTPProvider:
    """One service over HTTP. Raises only :class:`~koo.errors.ExternalServiceError`."""

    def __init__(
        self,
        config: ServiceConfig,
        wire: Wire,
        *,
        sessions: Sessions | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._config = config
        self._wire = wire
        self._sessions = sessions or Sessions()
        self._clock = clock
        self._trust = trust_in(config.ca_bundle) or True
        self._headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": "koo",
            **wire.headers(config.api_key or ""),
        }

    def prepare(self, prompt: Prompt) -> Request:
        """The request for *prompt*; InvalidRequestError if the wire can't carry it."""
        if not _MODEL.fullmatch(prompt.model):
            raise self._invalid("the model's name is not one; correct it")
        try:
            body = json.dumps(
                self._wire.document(prompt), ensure_ascii=False, allow_nan=False
            ).encode()
        except UnicodeEncodeError:
            raise self._invalid("the prompt holds half a character; send valid text") from None
        return Request(prompt, self._wire.path(prompt), body)

    async def complete(self, request: Request) -> Completion:
        """The answer to *request*, which is sent once."""
        reply = await self._exchange("POST", request.path, request.body)
        answer = self._wire.read(reply.document) if _is_good(reply.status) else None
        if answer is None:
            raise self._error(reply)
        if answer.refused:
            raise self._refusal(answer, reply)
        return Completion(
            answer.text, request.prompt.model, answer.finish, answer.usage, reply.request_id
        )

    async def list_models(self) -> tuple[str, ...] | None:
        """The names of the models; None if the vendor has no list, or none for this key."""
        path = self._wire.models_path
        if path is None:
            return None
        reply = await self._exchange("GET", path)
        if reply.status in _NO_LIST:
            return None
        if not _is_good(reply.status) or reply.document is None:
            raise self._error(reply)
        return self._wire.models(reply.document)

    def reset(self) -> None:
        """Nothing is remembered here."""

    async def close(self) -> None:
        """Let go of the connections of the running event loop."""
        await self._sessions.close()

    async def _exchange(self, method: str, path: str, body: bytes | None = None) -> _Reply:
        session = await self._sessions.current()
        try:
            async with session.request(
                method,
                self._config.base_url + path,
                data=body,
                headers=self._headers,
                allow_redirects=False,
                proxy=self._config.proxy or None,
                ssl=self._trust,
            ) as response:
                text = await _read(response)
        except (ClientError, OSError) as error:
            failure = broken(self._config.name, error)
        else:
            headers = {name.lower(): value for name, value in response.headers.items()}
            return _Reply(response.status, headers, _parse(text))
        raise failure

    def _error(self, reply: _Reply) -> ExternalServiceError:
        surface = self._wire.surface(reply.status, reply.document)
        verdict = judge(surface, self._wire.rules)
        wait = self._wait(verdict, surface, reply) if verdict.waits else None
        return verdict.error(
            self._config.name,
            self._detail(verdict, surface),
            retry_after=wait,
            request_id=reply.request_id,
            usage=billed(surface, verdict),
            # It may forbid what we would do, but not ask for what can't succeed.
            retryable=False if reply.headers.get("x-should-retry") == "false" else None,
        )

    def _wait(self, verdict: Verdict, surface: Surface, reply: _Reply) -> float | None:
        return named_wait(
            reply.headers if verdict.windows else without_windows(reply.headers),
            message=surface.message,
            delay=self._wire.delay(reply.document),
            now=self._clock.time(),
        )

    def _detail(self, verdict: Verdict, surface: Surface) -> str:
        words = [f"HTTP {surface.status}", _word(surface.type), _word(surface.code)]
        shown = ", ".join(dict.fromkeys(filter(None, words)))
        return f"{verdict.what} ({shown}); {verdict.cure.format(key=self._config.key_variable)}"

    def _refusal(self, answer: Answer, reply: _Reply) -> ExternalServiceError:
        reason = _word(answer.finish) or "refused"
        return ContentRefusedError(
            self._config.name,
            f"the answer was refused ({reason}); change the prompt",
            request_id=reply.request_id,
            usage=answer.usage,
        )

    def _invalid(self, detail: str) -> ExternalServiceError:
        return InvalidRequestError(self._config.name, detail, usage=NOTHING)


async def _read(response: ClientResponse) -> bytes:
    """The body; of one that is absurdly large only its beginning, which then can't be parsed."""
    kept = bytearray()
    async for chunk in response.content.iter_any():
        kept += chunk
        if len(kept) > _LARGEST_ANSWER:
            return b""
    return bytes(kept)


def _parse(text: bytes) -> object:
    try:
        document: object = json.loads(text, parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError):
        return None
    return document


def _is_good(status: int) -> bool:
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


def _word(text: str) -> str:
    """A vendor's own word, like ``rate_limit_error``; nothing that could be a prompt or a key."""
    return text.lower() if len(text) <= _LONGEST_WORD and _WORD.fullmatch(text) else ""
