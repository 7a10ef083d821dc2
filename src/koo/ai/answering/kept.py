"""Answers that serve again: to the very same request, for a while, in this process.

    request --find--> nothing kept, or too old --> it is sent --keep--> the oldest used goes
                  --> the answer as it came, at no cost

Kept is what ended well and is nothing but a text. Not kept is what may be another the next time
although the request is the same: with tools, or with a picture that it only names; nor what is
nested too deeply to be copied.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from typing import NamedTuple, cast

from ...resilience import Clock, Reading
from ..config import CacheConfig
from ..provider import NOTHING, Request
from .response import Response

__all__ = ["ResponseCache"]


class _Kept(NamedTuple):
    """An answer, pickled: of a known size, and not to be changed by who got it before."""

    pickled: bytes
    until: float


class ResponseCache:
    """The answers of one service, under digests of the requests: it holds no prompt."""

    __slots__ = ("_bytes", "_clock", "_config", "_hits_total", "_kept", "_misses_total")

    def __init__(self, config: CacheConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self._bytes = self._hits_total = self._misses_total = 0

    def find(self, request: Request) -> Response | None:
        """The answer to an equal request, which costs nothing; None if none is kept."""
        if not _is_repeatable(request):
            return None
        key = _key(request)
        kept = self._kept.get(key)
        if kept is not None and kept.until <= self._clock.monotonic():
            self._drop(key)
            kept = None
        if kept is None:
            self._misses_total += 1
            return None
        self._hits_total += 1
        self._kept.move_to_end(key)
        return cast("Response", pickle.loads(kept.pickled))  # noqa: S301 - written here

    def keep(self, request: Request, response: Response) -> None:
        """Let *response* answer equal requests, if it may."""
        if not _is_repeatable(request) or not _is_plain(response):
            return
        again = replace(response, usage=NOTHING, attempts=0, waited=0.0, is_cached=True)
        pickled, key = _pickled(again), _key(request)
        if key in self._kept:
            self._drop(key)
        if pickled is None or len(pickled) > self._config.max_bytes:
            return
        self._kept[key] = _Kept(pickled, self._clock.monotonic() + self._config.ttl)
        self._bytes += len(pickled)
        while len(self._kept) > self._config.max_answers or self._bytes > self._config.max_bytes:
            self._drop(next(iter(self._kept)))

    def readings(self) -> Iterator[Reading]:
        """A photograph."""
        yield Reading("cache.hits_total", self._hits_total)
        yield Reading("cache.misses_total", self._misses_total)
        yield Reading("cache.answers", len(self._kept), self._config.max_answers)
        yield Reading("cache.bytes", self._bytes, self._config.max_bytes)

    def _drop(self, key: bytes) -> None:
        self._bytes -= len(self._kept.pop(key).pickled)


def _pickled(response: Response) -> bytes | None:
    """It as bytes; None if the vendor's document nests deeper than it can be walked."""
    try:
        return pickle.dumps(response, pickle.HIGHEST_PROTOCOL)
    except RecursionError:
        return None


def _is_repeatable(request: Request) -> bool:
    prompt = request.question.prompt
    return not prompt.tools and all(isinstance(one.source, bytes) for one in prompt.images)


def _is_plain(response: Response) -> bool:
    return bool(response.text) and not response.calls and not response.is_cut_off


def _key(request: Request) -> bytes:
    """Model and options are in it, since they are in what is sent."""
    return sha256(request.path.encode() + b"\0" + request.body).digest()
