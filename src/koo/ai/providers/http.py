"""A provider over HTTP: a vendor's wire format, an address and a key.

    Request --POST--> 2xx, readable -----> Completion
                      2xx, refused ------> ContentRefusedError (billed)
                      2xx, broken off ---> ServiceUnavailableError (billed)
                      an error answer ---> judge -> the error class of its table
                      no answer ---------> ServiceConnectionError
                      2xx, events -------> text, text, ... until the vendor's last word
                                           cut off before it: StreamTruncatedError

It sends once and has no timeout of its own: whoever calls it limits its time. Of
an answer only its parts of known shape get into a message; never its text.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final

from aiohttp import ClientError, ClientResponse, ClientSession
from multidict import CIMultiDict

from ...errors import (
    ContentRefusedError,
    ExternalServiceError,
    InvalidRequestError,
    ServiceUnavailableError,
    StreamTruncatedError,
)
from ...resilience import SYSTEM_CLOCK, Clock, trace_headers
from ...values import quickly_made
from ..asking import Question
from ..config import ServiceConfig, trust_in
from ..pacing import UNTOLD, Told, Urge, named_wait, read_windows, their_time, without_windows
from ..provider import NOTHING, Completion, Heard, Request, Usage
from ..verdicts import Phase, Surface, Verdict, billed, judge
from .bodies import CannotCarry, most_input
from .breaks import broken
from .events import LARGEST_ANSWER, CutOff, ErrorInside, Listener, drain
from .sessions import Sessions
from .wire import Answer, Hearing, Wire, dig, more_than_text, parse

__all__ = ["HTTPProvider"]

# Made once: `json.dumps` with an argument makes an encoder for each body.
_written: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
_MODEL: Final = re.compile(r"[\w.:/@+-]{1,200}", re.ASCII)
_WORD: Final = re.compile(r"[A-Za-z]+(_[A-Za-z]+)*")
_REQUEST_ID: Final = re.compile(r"[\w.:-]{1,128}", re.ASCII)
_LONGEST_WORD: Final = 64
_GOOD: Final = range(HTTPStatus.OK, HTTPStatus.MULTIPLE_CHOICES)
_NO_LIST: Final = frozenset({403, 404, 405})
#: What says that no events will come, whatever was asked for.
_WHOLE: Final = frozenset({"application/json", "text/html"})
# Compression holds back what should come at once.
_AS_EVENTS: Final = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}


@quickly_made
@dataclass(frozen=True, slots=True)
class _Reply:
    """What came back: headers with lower-case names, and the document or None.

    Its head came at the monotonic second *at*, and was made at *time* by the vendor's clock.
    """

    status: int
    headers: Mapping[str, str]
    at: float
    time: float
    document: object = None

    @classmethod
    def to(cls, response: ClientResponse, clock: Clock, document: object = None) -> _Reply:
        """The head of *response*, which came just now, and the document that its body was."""
        headers = {name.lower(): value for name, value in response.headers.items()}
        return cls.of(response.status, headers, clock, document)

    @classmethod
    def of(
        cls, status: int, headers: Mapping[str, str], clock: Clock, document: object = None
    ) -> _Reply:
        """What came just now."""
        made = their_time(headers, clock.time())
        return cls(status, headers, clock.monotonic(), made, document)

    def told(self, urge: Urge = Urge.NONE) -> Told:
        """What it says of the vendor's limits, and what it asks for beside them."""
        windows = read_windows(self.headers, self.time)
        if not windows and urge is Urge.NONE:
            return UNTOLD
        return Told(at=self.at, windows=windows, urge=urge)

    @property
    def request_id(self) -> str | None:
        for name in ("request-id", "x-request-id"):
            if (found := self.headers.get(name)) and _REQUEST_ID.fullmatch(found):
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
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": "koo",
            **wire.headers(config.api_key or ""),
        }
        # As aiohttp wants them: it would make them so for each request.
        self._headers = CIMultiDict(headers)
        self._headers_of_stream = CIMultiDict({**headers, **_AS_EVENTS})

    def prepare(self, question: Question) -> Request:
        """The request for *question*; InvalidRequestError if the wire can't carry it."""
        if not _MODEL.fullmatch(question.model):
            raise self._invalid("the model's name is not one; correct it")
        try:
            body = _written(self._wire.document(question)).encode()
        except CannotCarry as error:
            lacking = self._invalid(str(error))
            lacking.answerable_elsewhere = True
            raise lacking from None
        except UnicodeEncodeError:
            raise self._invalid("the prompt holds half a character; send valid text") from None
        except (TypeError, ValueError):
            raise self._invalid("a schema holds what JSON can't; correct it") from None
        per_image = self._wire.most_per_image(question.model)
        most, unbounded = most_input(question.prompt, len(body), per_image)
        return Request(question, self._wire.path(question), body, most, unbounded)

    async def complete(self, request: Request) -> Completion:
        """The answer to *request*, which is sent once."""
        return self._completion(request, await self._exchange("POST", request.path, request.body))

    async def stream(
        self, request: Request, heard: Heard
    ) -> AsyncGenerator[str | Completion, None]:
        """The pieces of the answer to *request*, which is sent once, and the whole at the end."""
        session = await self._sessions.current()
        failure: ExternalServiceError | None = None
        try:
            async with self._send(
                session, "POST", request.path, body=request.body, headers=self._headers_of_stream
            ) as response:
                reply = _Reply.to(response, self._clock)
                if not _is_good(reply.status) or response.content_type in _WHOLE:
                    reply = replace(reply, document=await _read(response))
                    whole = self._completion(request, reply)
                    heard.pieces.append(whole.text)
                    if whole.text:
                        yield whole.text
                    yield whole
                    return
                listener = Listener(self._wire, heard)
                while chunk := await listener.chunk(response):
                    for piece in listener.hear(chunk):
                        yield piece
                await drain(response)
                yield self._heard(request, heard, listener.hearing, reply)
        except ExternalServiceError:
            # Some are OSErrors too, but they were judged already.
            raise
        except (ClientError, OSError) as error:
            failure = broken(self._config.name, error)
        except ErrorInside as error:
            failure = self._error_inside(error, reply)
        except CutOff as error:
            failure = self._truncated(str(error), reply)
        # Outside of the except: what was caught holds the key, or words of the vendor's.
        if failure is not None:
            raise failure

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

    def used(self, answer: object) -> Usage | None:
        """The usage in a document, or a usage itself; None if it can't be understood.

        Nothing is sent that takes no tokens, so a usage of none was not counted.
        """
        if (whole := self._wire.read(answer)) is not None:
            return self._on_terms(whole.counted, answer)
        found = dig(answer, "usage") or dig(answer, "usageMetadata")
        if not found:
            found, answer = answer, {"usage": answer, "usageMetadata": answer}
        usage = self._on_terms(self._wire.usage(found), answer)
        return usage if usage is None or usage.tokens or usage.nanousd is not None else None

    def understood(
        self, status: int, document: object, headers: Mapping[str, str]
    ) -> ExternalServiceError:
        """The error that an answer of that shape means, whoever has received it.

        *headers* have lower-case names; an error with a good status came inside a stream.
        """
        surface = self._wire.surface(status, document)
        phase = Phase.STREAM if _is_good(status) else Phase.WHOLE
        reply = _Reply.of(status, headers, self._clock, document)
        return self._judged(replace(surface, phase=phase), reply)

    def told(self, headers: Mapping[str, str]) -> Told:
        """What the *headers* of an answer, with lower-case names, say of the vendor's limits."""
        return _Reply.of(HTTPStatus.OK, headers, self._clock).told()

    def reset(self) -> None:
        """Nothing is remembered here."""

    async def close(self) -> None:
        """Let go of the connections of the running event loop."""
        await self._sessions.close()

    async def _exchange(self, method: str, path: str, body: bytes | None = None) -> _Reply:
        session = await self._sessions.current()
        try:
            async with self._send(
                session, method, path, body=body, headers=self._headers
            ) as response:
                document = await _read(response)
                reply = _Reply.to(response, self._clock, document)
        except (ClientError, OSError) as error:
            failure = broken(self._config.name, error)
        else:
            return reply
        raise failure

    def _send(
        self,
        session: ClientSession,
        method: str,
        path: str,
        *,
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> AbstractAsyncContextManager[ClientResponse]:
        return session.request(
            method,
            self._config.base_url + path,
            data=body,
            headers={**headers, **traced} if (traced := trace_headers()) else headers,
            allow_redirects=False,
            proxy=self._config.proxy or None,
            ssl=self._trust,
        )

    def _completion(self, request: Request, reply: _Reply) -> Completion:
        answer = self._wire.read(reply.document) if _is_good(reply.status) else None
        if answer is None:
            raise self._error(reply)
        return self._concluded(request, answer, reply)

    def _heard(self, request: Request, heard: Heard, hearing: Hearing, reply: _Reply) -> Completion:
        whole = self._wire.whole(hearing)
        parts = more_than_text(self._wire.parts(whole))
        answer = Answer(heard.text, hearing.finish, hearing.usage, hearing.refused, parts)
        return self._concluded(request, answer, replace(reply, document=whole))

    def _concluded(self, request: Request, answer: Answer, reply: _Reply) -> Completion:
        if answer.refused:
            raise self._refusal(answer, reply)
        if answer.finish.lower() not in self._wire.endings:
            raise self._broken_off(request, answer, reply)
        return Completion(
            answer.text,
            request.question.model,
            answer.finish,
            self._on_terms(answer.counted, reply.document),
            reply.request_id,
            reply.told(),
            answer.parts,
            reply.document,
        )

    def _on_terms(self, usage: Usage | None, document: object) -> Usage | None:
        terms = self._wire.terms(document)
        return replace(usage, terms=terms) if usage is not None and terms else usage

    def _error(self, reply: _Reply) -> ExternalServiceError:
        return self._judged(self._wire.surface(reply.status, reply.document), reply)

    def _error_inside(self, error: ErrorInside, reply: _Reply) -> ExternalServiceError:
        surface = self._wire.surface(reply.status, error.document)
        phase = Phase.STREAM if error.has_begun else Phase.WHOLE
        return self._judged(replace(surface, phase=phase), replace(reply, document=error.document))

    def _judged(self, surface: Surface, reply: _Reply) -> ExternalServiceError:
        verdict = judge(surface, self._wire.rules)
        wait = self._wait(verdict, surface, reply) if verdict.waits else None
        error = verdict.error(
            self._config.name,
            self._detail(verdict, surface),
            retry_after=wait,
            request_id=reply.request_id,
            usage=billed(surface, verdict),
            # It may forbid what we would do, but not ask for what can't succeed.
            retryable=False if reply.headers.get("x-should-retry") == "false" else None,
        )
        error.told = reply.told(verdict.urge)
        return error

    def _truncated(self, what: str, reply: _Reply) -> ExternalServiceError:
        detail = f"the answer is not whole: {what}; ask again, or use the part that came"
        return self._bad_answer(StreamTruncatedError, detail, None, reply)

    def _wait(self, verdict: Verdict, surface: Surface, reply: _Reply) -> float | None:
        return named_wait(
            reply.headers if verdict.windows else without_windows(reply.headers),
            message=surface.own_words,
            delay=self._wire.delay(reply.document),
            now=reply.time,
        )

    def _detail(self, verdict: Verdict, surface: Surface) -> str:
        words = [f"HTTP {surface.status}", _word(surface.type), _word(surface.code)]
        shown = ", ".join(dict.fromkeys(filter(None, words)))
        return f"{verdict.what} ({shown}); {verdict.cure.format(key=self._config.key_variable)}"

    def _refusal(self, answer: Answer, reply: _Reply) -> ExternalServiceError:
        reason = _word(answer.finish) or "refused"
        detail = f"the answer was refused ({reason}); change the prompt"
        return self._bad_answer(ContentRefusedError, detail, answer.counted, reply)

    def _broken_off(self, request: Request, answer: Answer, reply: _Reply) -> ExternalServiceError:
        kind = StreamTruncatedError if request.question.streams else ServiceUnavailableError
        reason = _word(answer.finish) or "for no known reason"
        detail = f"the answer broke off ({reason}); ask again"
        return self._bad_answer(kind, detail, answer.counted, reply)

    def _bad_answer(
        self,
        kind: type[ExternalServiceError],
        detail: str,
        counted: Usage | None,
        reply: _Reply,
    ) -> ExternalServiceError:
        usage = self._on_terms(counted, reply.document)
        error = kind(self._config.name, detail, request_id=reply.request_id, usage=usage)
        error.told = reply.told()
        return error

    def _invalid(self, detail: str) -> InvalidRequestError:
        return InvalidRequestError(self._config.name, detail, usage=NOTHING)


async def _read(response: ClientResponse) -> object:
    """The document in the body; None if there is none, or it is absurdly large."""
    chunks: list[bytes] = []
    bytes_left = LARGEST_ANSWER
    while not response.content.at_eof():
        chunks.append(chunk := await response.content.readany())
        bytes_left -= len(chunk)
        if bytes_left < 0:
            return None
    return parse(b"".join(chunks))


def _is_good(status: int) -> bool:
    return status in _GOOD


def _word(text: str) -> str:
    """A vendor's own word, like ``rate_limit_error``; nothing that could be a prompt or a key."""
    return text.lower() if len(text) <= _LONGEST_WORD and _WORD.fullmatch(text) else ""
