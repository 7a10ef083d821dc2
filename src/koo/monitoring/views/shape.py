"""What every view is made with: described fields, and the units of the outside world.

Inside, durations are float seconds, moments epoch seconds, and money integer
nano-dollars. Outside, a duration is milliseconds or seconds as its name says, a
moment is ISO 8601 UTC with Z, money a decimal string, a share 0 to 1 or None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, field, fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

__all__ = ["dollars", "instant", "milliseconds", "moment", "plain", "told"]

_NANO: Final = Decimal(1_000_000_000)
_CENTS: Final = 2
_ALIAS: Final = "serialization_alias"


def told(description: str, *, one_of: tuple[str, ...] = (), called: str | None = None) -> Any:  # noqa: ANN401 - as dataclasses.field
    """A dataclass field with its text for OpenAPI.

    *one_of* lists the only values; *called* is the name outside, where Python
    has the word for itself (``from``).
    """
    metadata: dict[str, object] = {"description": description}
    if one_of:
        metadata["json_schema_extra"] = {"enum": list(one_of)}
    if called:
        metadata[_ALIAS] = called
    return field(metadata=metadata)


def plain(view: object) -> Any:  # noqa: ANN401 - JSON is whatever it is
    """A view as dicts, lists, strings and numbers, under the names of the outside."""
    if is_dataclass(view) and not isinstance(view, type):
        return {_outside(item): plain(getattr(view, item.name)) for item in fields(view)}
    if isinstance(view, Mapping):
        return {str(key): plain(value) for key, value in view.items()}
    if isinstance(view, list | tuple):
        return [plain(value) for value in view]
    return view


def _outside(item: Field[Any]) -> str:
    return str(item.metadata.get(_ALIAS, item.name))


def moment(epoch: float) -> str:
    """An epoch second as ISO 8601 UTC with Z, to the millisecond."""
    text = datetime.fromtimestamp(epoch, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def instant(epoch: float | None) -> str | None:
    """As :func:`moment`; None stays None."""
    return None if epoch is None else moment(epoch)


def milliseconds(seconds: float | None) -> float | None:
    """Seconds as milliseconds, to the microsecond; None stays None."""
    return None if seconds is None else round(seconds * 1000, 3)


def dollars(nanousd: float) -> str:
    """Nano-dollars as an exact decimal string with at least two decimals."""
    amount = (Decimal(int(nanousd)) / _NANO).normalize()
    exponent = amount.as_tuple().exponent
    places = -exponent if isinstance(exponent, int) else _CENTS
    return f"{amount:.{max(places, _CENTS)}f}"
