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
        match step.pop("do"):
            case "admit":
                self.permits[step["as"]] = self._admitted(step)
            case "refuse":
                self._refused(step)
            case "call":
                for _ in range(step.get("times", 1)):
                    self._admitted(step).settle(outcome_of(step["outcome"]))
            case "settle":
                self.permits[step["permit"]].settle(outcome_of(step["outcome"]))
            case "cancel":
                self.permits[step["permit"]].cancel()
            case "look":
                self._compare(step["expect"])
            case "step_wall":
                self.clock.step_wall(step["seconds"])
            case "isolate":
                self.gate.isolate(step["reason"])
            case "open_until":
                self.gate.open_until(step["seconds"], "the other side said so")
            case "pause":
                self.gate.pause(step["seconds"])
            case word if word in BY_HAND:
                getattr(self.gate, word)()
            case word:
                pytest.fail(f"no such step: {word}")

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
