"""The keys of one service, in the hands of a client that is not koo's.

place --> the key to send with, of several --its own error--> blamed: dead, as if koo had sent it
      --> not asked for: the client has its own --any error-> says nothing of the others
"""

from __future__ import annotations

from ...errors import AccessDeniedError, ApiKeyError, ExternalServiceError, QuotaExceededError
from ..health import Limits
from ..provider import Provider
from ..rotation import Rotation

__all__ = ["Keyring"]


class Keyring:
    """Which key is lent, and what its errors mean. A place of None: there is only one key."""

    __slots__ = ("_limits", "_rotation")

    def __init__(self, provider: Provider, limits: Limits) -> None:
        self._rotation = provider if isinstance(provider, Rotation) else None
        self._limits = limits

    def refuse_in_vain(self, model: str) -> None:
        """Raise what is known beforehand of every key."""
        if self._rotation is not None:
            self._rotation.refuse_in_vain(model)

    def place(self, model: str) -> int | None:
        """The place of the key to ask *model* with in the running call."""
        rotation = self._rotation
        return None if rotation is None else rotation.place(model, self._limits.key)

    def blamed(
        self, place: int | None, model: str, error: ExternalServiceError
    ) -> ExternalServiceError:
        """What *error* means if it was met with the key at *place*; None: with who knows which."""
        if self._rotation is None:
            return error
        if place is not None:
            return self._rotation.blamed(place, model, error)
        if isinstance(error, ApiKeyError | AccessDeniedError | QuotaExceededError):
            # Another key may be good, so it must not shut the service.
            error.retryable = True
        return error
