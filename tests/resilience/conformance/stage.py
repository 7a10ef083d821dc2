"""Plays the steps of one case on one gate."""

import pytest

from koo.resilience import Permit

from .reading import ask_of, outcome_of

ANYTHING = object()
BY_HAND = {"release", "force_close", "disable", "shadow", "reset", "half_open"}


class Stage:
    """A gate, its clock, and the permits by name."""

    def __init__(self, gate, clock, look):
        self.gate, self.clock, self.look = gate, clock, look
        self.permits = {}

    def play(self, steps):
        """Every step, in order; an error says at which it was."""
        for number, step in enumerate(steps):
            try:
                self._play(dict(step))
            except Exception as error:
                error.add_note(f"at step {number}: {step}")
                raise

    def _play(self, step):
        at = step.pop("at", None)
        if at is not None:
            self.clock.advance(at - self.clock.now)
        word = step.pop("do")
        if word in BY_HAND:
            getattr(self.gate, word)()
        elif word in self.deeds:
            self.deeds[word](step)
        else:
            pytest.fail(f"no such step: {word}")

    @property
    def deeds(self):
        return {
            "admit": lambda step: self.permits.update({step["as"]: self._admitted(step)}),
            "refuse": self._refused,
            "call": self._called,
            "settle": lambda step: self._permit(step).settle(outcome_of(step["outcome"])),
            "cancel": lambda step: self._permit(step).cancel(),
            "look": lambda step: self._compare(step["expect"]),
            "step_wall": lambda step: self.clock.step_wall(step["seconds"]),
            "isolate": lambda step: self.gate.isolate(step["reason"]),
            "open_until": lambda step: self.gate.open_until(step["seconds"], "they said so"),
            "lease_for": lambda step: self.gate.lease_for(step["seconds"]),
            "pause": lambda step: self.gate.pause(step["seconds"]),
        }

    def _permit(self, step):
        return self.permits[step["permit"]]

    def _called(self, step):
        for _ in range(step.get("times", 1)):
            self._admitted(step).settle(outcome_of(step["outcome"]))

    def _admitted(self, step):
        answer = self.gate.admit(ask_of(step))
        assert isinstance(answer, Permit), str(answer)
        return answer

    def _refused(self, step):
        answer = self.gate.admit(ask_of(step))
        assert not isinstance(answer, Permit)
        wait = answer.retry_after
        if (expected := step.get("retry_after", ANYTHING)) is not ANYTHING:
            assert wait == (None if expected is None else pytest.approx(expected))
        if "least" in step:
            assert step["least"] - 1e-6 <= wait <= step["most"] + 1e-6
        if "may_wait" in step:
            assert (answer.line is not None) is step["may_wait"]

    def _compare(self, expected):
        seen = self.look(self.gate)
        for name, value in expected.items():
            close = isinstance(value, (int, float)) and not isinstance(value, bool)
            assert seen[name] == (pytest.approx(value) if close else value), name
