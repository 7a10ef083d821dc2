"""Spans of what is called, and the header that lets the other side continue the trace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from opentelemetry import context, trace
from opentelemetry.trace import SpanKind, Status, StatusCode, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ...resilience import current_attempt

__all__ = ["Spans"]

_PROPAGATOR: Final = TraceContextTextMapPropagator()
_KINDS: Final = {"attempt": SpanKind.CLIENT, "commit": SpanKind.CLIENT}


class Spans:
    """A tracer that makes OpenTelemetry's spans; ``TRACER.set(Spans())`` has calls followed.

    A span has the step and the component as its name. Of an error it holds the class and the
    kind, never the words. *provider* defaults to the global one.
    """

    def __init__(self, provider: TracerProvider | None = None) -> None:
        self._tracer = trace.get_tracer("koo", tracer_provider=provider)

    @contextmanager
    def span(self, step: str, component: str) -> Iterator[None]:
        """The span of one *step* of *component*, current in the block."""
        attributes: dict[str, str | int] = {"koo.component": component, "koo.step": step}
        if number := current_attempt():
            attributes["koo.attempt"] = number
        with self._tracer.start_as_current_span(
            f"{step} {component}",
            kind=_KINDS.get(step, SpanKind.INTERNAL),
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except BaseException as error:
                what = str(getattr(error, "kind", "") or type(error).__name__)
                span.set_attribute("error.type", what)
                span.set_status(Status(StatusCode.ERROR, type(error).__name__))
                raise

    def headers(self) -> Mapping[str, str]:
        """``traceparent``, and ``tracestate`` if there is one, of the current span."""
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier)
        return carrier

    def join(self, headers: Mapping[str, str]) -> None:
        """Continue the trace of ``traceparent``, unless somebody in this process does already."""
        if not trace.get_current_span().get_span_context().is_valid:
            context.attach(_PROPAGATOR.extract(headers, context.get_current()))
