"""An error caught inside an outer call could not be pickled back: its mark held that call."""

import copy
import pickle

import pytest

from koo.resilience import Policy, RetryConfig

from ...resilience.policy.actors import QUICK, Dependency, policy

TWICE = RetryConfig(max_retries=1)


@pytest.mark.parametrize("parts", [{}, {"retry": TWICE}])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
async def test_an_error_that_a_policy_has_judged_can_be_sent_elsewhere(parts, protocol):
    kept = []

    async def operation():
        kept.append((await policy("inner", **parts).outcome(Dependency(OSError("gone")))).error)

    await policy("outer").run(operation)
    sent = pickle.dumps(kept[0], protocol)
    assert Policy.__name__.encode() not in sent
    again = pickle.loads(sent)
    assert (repr(again), getattr(again, "__notes__", [])) == (
        repr(kept[0]),
        getattr(kept[0], "__notes__", []),
    )


@pytest.mark.parametrize(("duplicate", "calls"), [(copy.copy, 1), (copy.deepcopy, 3)])
async def test_a_deep_copy_of_an_error_is_marked_for_nobody(duplicate, calls):
    dependency = Dependency(OSError("gone"))

    async def operation():
        outcome = await policy("inner", retry=RetryConfig(max_retries=0)).outcome(dependency)
        raise duplicate(outcome.error)

    outcome = await policy("outer", retry=QUICK).outcome(operation)
    assert len(dependency.calls) == outcome.attempts == calls
