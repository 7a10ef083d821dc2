"""A whole answer out of the pieces of a stream, in the vendor's own form.

    {"text": "It"} --grow--> Growing {"text": ["It"]}
    {"text": " is"} --grow--> Growing {"text": ["It", " is"]} --whole--> {"text": "It is"}

Pieces lie in lists until the end: so each is copied once, and not with every one that follows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import groupby

__all__ = ["Growing", "Manner"]

#: No answer is nested so deeply; what is, is taken as it stands.
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Manner:
    """How a vendor's documents grow; what is called otherwise is as it was told last.

    Texts and lists called as in *pieces* go on where they were, and what stands in a list called
    as in *places* goes on where such a thing was, by its ``index``; not if its ``id`` is another:
    some servers count all calls as the first.
    """

    pieces: Collection[str]
    places: Collection[str] = ()


class Growing(dict[str, object]):
    """A document that grows."""

    def grow(self, told: object, manner: Manner, deepest: int = _DEEPEST) -> None:
        """Take what is *told* in addition; null, [] and "" say nothing."""
        for name, value in told.items() if isinstance(told, dict) else ():
            match value:
                case str() if name in manner.pieces:
                    self._pieces(name).append(value)
                case None | [] | "":
                    self.setdefault(name, value)
                case str():
                    self[name] = value
                case list() if name in manner.pieces:
                    self._pieces(name).extend(value)
                case list() if name in manner.places and deepest:
                    places = self._places(name)
                    for place, one in enumerate(value):
                        places.of(one, place).grow(one, manner, deepest - 1)
                case dict() if deepest:
                    self._inner(name).grow(value, manner, deepest - 1)
                case _:
                    self[name] = value

    def at(self, name: str, place: int) -> Growing:
        """What grows at *place* in the list called *name*."""
        return self._places(name).setdefault(place, Growing())

    def whole(self) -> dict[str, object]:
        """All that was told, with its pieces joined."""
        return {name: _joined(value) for name, value in self.items()}

    def _places(self, name: str) -> _Places:
        found = self.get(name)
        if not isinstance(found, _Places):
            found = self[name] = _Places()
        return found

    def _pieces(self, name: str) -> _Pieces:
        found = self.get(name)
        if not isinstance(found, _Pieces):
            found = self[name] = _Pieces()
        return found

    def _inner(self, name: str) -> Growing:
        found = self.get(name)
        if not isinstance(found, Growing):
            found = self[name] = Growing()
        return found


class _Pieces(list[object]):
    """A text or a list that grows at its end."""


class _Places(dict[int, Growing]):
    """A list that is told by places."""

    def __init__(self) -> None:
        super().__init__()
        #: Where it goes on what is told of a place that was another's.
        self._moved: dict[int, int] = {}

    def of(self, told: object, otherwise: int) -> Growing:
        """What *told* is a piece of, by its id and its index; else at the place *otherwise*."""
        index = _place(told, otherwise)
        place = self._moved.get(index, index)
        if name := _name(told):
            if _name(self.get(place, {})) not in {"", name}:
                place = self._named(name)
            self._moved[index] = place
        return self.setdefault(place, Growing())

    def _named(self, name: str) -> int:
        """The place of what is called *name*, after all others if it is new."""
        return next((place for place in self if _name(self[place]) == name), max(self) + 1)


def _joined(value: object) -> object:
    match value:
        case Growing():
            return value.whole()
        case _Places():
            return [value[place].whole() for place in sorted(value)]
        case _Pieces():
            runs = list(_runs(value))
            return runs[0] if len(runs) == 1 and isinstance(runs[0], str) else runs
        case _:
            return value


def _runs(pieces: _Pieces) -> Iterator[object]:
    for are_texts, run in groupby(pieces, lambda piece: isinstance(piece, str)):
        if are_texts:
            yield "".join(map(str, run))
        else:
            yield from run


def _name(told: object) -> str:
    found = told.get("id") if isinstance(told, dict) else None
    return found if isinstance(found, str) else ""


def _place(told: object, otherwise: int) -> int:
    found = told.get("index") if isinstance(told, dict) else None
    return found if isinstance(found, int) else otherwise
