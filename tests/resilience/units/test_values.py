"""Frozen values that are quickly made are made as any other.

Each test makes its own: what was made before a test began would not tell how it is made now.
"""

import inspect
from dataclasses import FrozenInstanceError, dataclass, field, replace

import pytest

from koo.values import quickly_made


def made(decorate):
    """A kind of value."""

    @decorate
    @dataclass(frozen=True, slots=True)
    class Value:
        one: int
        two: str = "two"
        half: float = field(init=False)

        def __post_init__(self):
            if self.one < 0:
                raise ValueError("below nothing")
            object.__setattr__(self, "half", self.one / 2)

    return Value


@pytest.fixture
def quick():
    return made(quickly_made)


@pytest.fixture
def usual():
    return made(lambda kind: kind)


@pytest.fixture
def heir(quick):
    @quickly_made
    @dataclass(frozen=True, slots=True)
    class Heir(quick):
        three: object = None

    return Heir


@pytest.fixture
def named():
    @quickly_made
    @dataclass(frozen=True, slots=True)
    class Named:
        one: int
        two: int = field(kw_only=True)
        three: int = field(default=3, kw_only=True)

    return Named


@pytest.mark.parametrize(
    ("args", "kwargs"), [((4,), {}), ((4, "2"), {}), ((), {"one": 4}), ((4,), {"two": "2"})]
)
def test_it_holds_what_the_usual_one_would(args, kwargs, usual, quick):
    assert repr(quick(*args, **kwargs)) == repr(usual(*args, **kwargs))


@pytest.mark.parametrize("args", [(), (1, "2", 3)])
def test_it_is_called_as_the_usual_one(args, usual, quick):
    assert inspect.signature(quick) == inspect.signature(usual)
    with pytest.raises(TypeError):
        quick(*args)


def test_its_maker_bears_the_usual_ones_name(usual, quick):
    assert quick.__init__.__qualname__ == usual.__init__.__qualname__


def test_it_is_made_field_by_field_and_by_no_name(quick):
    """The usual one asks ``object.__setattr__`` for each, which takes twice as long."""
    assert quick.__init__.__code__.co_names == ("set_one", "set_two", "__post_init__")


def test_it_can_not_be_changed(quick):
    with pytest.raises(FrozenInstanceError):
        quick(1).one = 2


def test_it_is_checked_when_it_is_made(quick):
    with pytest.raises(ValueError, match="below nothing"):
        quick(-1)


def test_one_with_another_field_is_checked_again(quick):
    assert replace(quick(4), one=6).half == 3
    with pytest.raises(ValueError, match="below nothing"):
        replace(quick(4), one=-6)


def test_an_heir_has_the_fields_of_both(heir):
    assert heir(4, "2", "3") == heir(three="3", two="2", one=4)
    assert heir(4).half == 2


def test_fields_that_want_their_names_are_given_by_them(named):
    assert named(1, two=2) == named(three=3, two=2, one=1)
    with pytest.raises(TypeError):
        named(1, 2)
    with pytest.raises(TypeError, match="two"):
        named(1)
