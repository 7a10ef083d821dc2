"""What answers were billed, by model: how many, how many tokens, how much money.

A model gets a place of its own when it is first answered and billed, so a mistyped name never
does; the service's own model always has one, and those beyond the sixteenth share ``other``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ...resilience import Distribution, Histogram, Reading
from ..provider import Usage

__all__ = ["Bills"]

_MOST_MODELS: Final = 16
_OTHER: Final = "other"
#: Histograms keep apart from 2**-20 on, so a token is that.
_TOKEN: Final = 2.0**-20


class _Bill:
    __slots__ = ("answers", "input", "input_tokens", "nanousd", "output", "output_tokens")

    def __init__(self) -> None:
        self.answers = self.nanousd = self.input_tokens = self.output_tokens = 0
        self.input, self.output = Histogram(), Histogram()

    def add(self, usage: Usage) -> None:
        self.answers += 1
        self.nanousd += usage.nanousd or 0
        self.input_tokens += usage.input_tokens
        self.output_tokens += usage.output_tokens
        self.input.record(usage.input_tokens * _TOKEN)
        self.output.record(usage.output_tokens * _TOKEN)


class Bills:
    """The bills of one service whose usual model is *model*, since the process began."""

    __slots__ = ("_by_model", "_model", "_unbilled_total")

    def __init__(self, model: str) -> None:
        self._model = model
        self._by_model: dict[str, _Bill] = {}
        self._unbilled_total = 0

    def add(self, model: str, usage: Usage | None) -> None:
        """*model* has answered, and wants what is in *usage*; None: it did not say."""
        if usage is None:
            self._unbilled_total += 1
            return
        bill = self._by_model.get(model)
        if bill is None:
            bill = self._begun(model)
        bill.add(usage)

    def readings(self) -> Iterator[Reading]:
        """A photograph of the counts; money in nano-dollars."""
        yield Reading("unbilled_total", self._unbilled_total)
        for model, bill in self._by_model.items():
            label = ("model", model)
            yield Reading("answers_total", bill.answers, labels=(label,))
            yield Reading("cost_total", bill.nanousd, labels=(label,))
            for kind, tokens in (("input", bill.input_tokens), ("output", bill.output_tokens)):
                yield Reading("tokens_total", tokens, labels=(label, ("type", kind)))

    def distributions(self) -> Iterator[Distribution]:
        """How many tokens an answer took; a token is 2**-20."""
        for model, bill in self._by_model.items():
            for kind, histogram in (("input", bill.input), ("output", bill.output)):
                labels = (("model", model), ("type", kind))
                yield Distribution("token_usage", histogram.stats(), labels)

    def _begun(self, model: str) -> _Bill:
        others = len(self._by_model.keys() - {self._model})
        if model != self._model and others >= _MOST_MODELS:
            model = _OTHER
        return self._by_model.setdefault(model, _Bill())
