"""What others have written, without coverage, under which Python is three times as slow."""

import functools
import sys


def untraced(function):
    """*function*, which calls nothing of ours, at full speed."""

    @functools.wraps(function)
    def at_full_speed(*arguments, **more):
        tracer = sys.gettrace()
        sys.settrace(None)
        try:
            return function(*arguments, **more)
        finally:
            sys.settrace(tracer)
            _begin_again()

    return at_full_speed


def _begin_again():
    """The call with which a tracer takes over; the first return it sees is the return of this."""
