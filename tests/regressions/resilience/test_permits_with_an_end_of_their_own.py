"""A permit that overrode its end was not asked when a call succeeded: its gate kept the place."""

import pytest

from koo.resilience import Permit
from koo.resilience.gate import TimedPermit


@pytest.mark.parametrize("base", [Permit, TimedPermit])
@pytest.mark.parametrize("method", ["settle", "cancel"])
def test_a_permit_cannot_end_in_a_way_of_its_own(base, method):
    body = {method: lambda *_: None}
    with pytest.raises(TypeError, match=r"^Mine: a permit can't end in a way of its own; say it"):
        type("Mine", (base,), body)


def test_a_permit_may_remember_more():
    assert issubclass(type("Mine", (Permit,), {"__slots__": ("place",)}), Permit)
