"""The door of koo.testing."""

import pytest

from koo import testing


def test_every_name_is_fetched_when_it_is_used():
    fetched = {name: getattr(testing, name) for name in testing.__all__}
    assert set(fetched) <= set(dir(testing))
    assert fetched["Simulator"].__name__ == "Simulator"


def test_a_name_that_is_not_there_is_no_export():
    with pytest.raises(AttributeError, match=r"'koo\.testing' has no attribute 'Nothing'"):
        _ = testing.Nothing
