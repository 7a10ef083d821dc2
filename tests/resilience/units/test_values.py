"""Frozen values that are quickly made are made as any other."""

import inspect
from dataclasses import FrozenInstanceError, dataclass, field, replace

import pytest

from koo.values import quickly_made


@dataclass(frozen=True, slots=True)
class Usual:
    one: int
    two: str = "two"
    half: float = field(init=False)

    def __post_init__(self):
        if self.one < 0:
            raise ValueError("below nothing")
        object.__setattr__(self, "half", self.one / 2)


@quickly_made
@dataclass(frozen=True, slots=True)
class Quick:
    one: int
    two: str = "two"
    half: float = field(init=False)

    def __post_init__(self):
        if self.one < 0:
            raise ValueError("below nothing")
        object.__setattr__(self, "half", self.one / 2)


@quickly_made
@dataclass(frozen=True, slots=True)
class Heir(Quick):
    three: object = None


@quickly_made
@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    one: int
    two: int = 2


@pytest.mark.parametrize(
    ("args", "kwargs"), [((4,), {}), ((4, "2"), {}), ((), {"one": 4}), ((4,), {"two": "2"})]
)
def test_it_holds_what_the_usual_one_would(args, kwargs):
    usual, quick = Usual(*args, **kwargs), Quick(*args, **kwargs)
    assert repr(quick) == repr(usual).replace("Usual", "Quick")


@pytest.mark.parametrize("args", [(), (1, "2", 3)])
def test_it_is_called_as_the_usual_one(args):
    assert inspect.signature(Quick) == inspect.signature(Usual)
    with pytest.raises(TypeError):
        Quick(*args)


def test_it_can_not_be_changed():
    with pytest.raises(FrozenInstanceError):
        Quick(1).one = 2


def test_it_is_checked_when_it_is_made():
    with pytest.raises(ValueError, match="below nothing"):
        Quick(-1)


def test_one_with_another_field_is_checked_again():
    assert replace(Quick(4), one=6).half == 3
    with pytest.raises(ValueError, match="below nothing"):
        replace(Quick(4), one=-6)


def test_an_heir_has_the_fields_of_both():
    assert Heir(4, "2", "3") == Heir(three="3", two="2", one=4)
    assert Heir(4).half == 2


def test_fields_that_want_their_names_are_given_by_them():
    assert Named(one=1) == Named(two=2, one=1)
    with pytest.raises(TypeError):
        Named(1)
