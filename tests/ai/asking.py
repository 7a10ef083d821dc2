"""What is asked, in as few words as a test has for it."""

from koo.ai import Prompt, Question, Times

_LIMITS = {"timeout": "timeout", "first_token_timeout": "first_token", "idle_timeout": "idle"}


def question(prompt, model="m", max_tokens=7, *, streams=False, **more):
    """*prompt* as it is put to one service."""
    return Question(Prompt(prompt, **more), model, max_tokens, streams=streams)


def prompt_of(arguments, prompt="x"):
    """The prompt in the arguments of `query_ai` and `stream_ai`; no others may be left."""
    others = {name: arguments[name] for name in arguments if name not in {"prompt", *_LIMITS}}
    return Prompt(arguments.get("prompt", prompt), **others)


def times_of(arguments):
    """The time limits in the arguments of `stream_ai`."""
    return Times(**{name: arguments.get(said) for said, name in _LIMITS.items()})
