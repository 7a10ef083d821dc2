"""To whom a prompt is put, and what is wrong with it, found before anything is sent or counted.

    Prompt --put, for a service's settings--> Question --complaint--> a sentence, or nothing

Most callers' types are checked by nobody, so the types are looked at too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter, is_
from sys import float_info, maxsize
from typing import Final, Protocol, TypeVar

from .asking import Message, Prompt, Purse, Question, Tool, ToolCall
from .asking.purse import WRONG_COST, is_cost
from .config import ServiceConfig

__all__ = ["complaint", "put", "put_to_each"]


class Configured(Protocol):
    """A service, as far as its settings are known."""

    config: ServiceConfig


ServiceT = TypeVar("ServiceT", bound=Configured)
T = TypeVar("T")


def put(prompt: str | Prompt, config: ServiceConfig) -> Question:
    """*prompt* as it is put to the service of *config* alone."""
    asked = prompt if isinstance(prompt, Prompt) else Prompt(prompt)
    return _put(asked, config, Purse.of(asked.max_cost))


def put_to_each(
    prompt: str | Prompt, services: Sequence[ServiceT]
) -> list[tuple[ServiceT, Question]]:
    """*prompt* as it is put to each of several, who are paid from one purse.

    Its model is the first's, each other has its own.
    """
    first, *others = services
    asked = prompt if isinstance(prompt, Prompt) else Prompt(prompt)
    purse = Purse.of(asked.max_cost)
    parts = [(first, _put(asked, first.config, purse))]
    for other in others:
        question = _put(replace(asked, model=None), other.config, purse)
        parts.append((other, question))
    return parts


def _put(asked: Prompt, config: ServiceConfig, purse: Purse | None) -> Question:
    most = config.max_tokens if asked.max_tokens is None else asked.max_tokens
    return Question(asked, asked.model or config.model, most, purse)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    """Neither a bool, which is an int, nor nan, nor what no float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= float_info.max


def _is_count(value: object) -> bool:
    return _is_number(value) and isinstance(value, int) and value >= 1


def _is_list_of(kind: type, values: object) -> bool:
    return isinstance(values, list | tuple) and all(isinstance(one, kind) for one in values)


def _is_told(prompt: Prompt) -> bool:
    return _is_text(prompt.messages) or _is_list_of(Message, prompt.messages)


def _says_something(prompt: Prompt) -> bool:
    told = prompt.messages
    return bool(told.strip() if isinstance(told, str) else told)


def _is_answerable(prompt: Prompt) -> bool:
    told = prompt.messages
    return isinstance(told, str) or told[-1].role == "user"


def _is_every_call_answered(prompt: Prompt) -> bool:
    """Vendors refuse a conversation in which one is not, at once and by whoever asked for it."""
    if isinstance(prompt.messages, str):
        return True
    open_calls: list[ToolCall] = []
    for message in prompt.messages:
        answered = [result.call for result in message.results]
        if sorted(map(repr, answered)) != sorted(map(repr, open_calls)):
            return False
        open_calls = list(message.calls)
    return True


def _are_tools(prompt: Prompt) -> bool:
    tools = prompt.tools
    return _is_list_of(Tool, tools) and len({tool.name for tool in tools}) == len(tools)


def _is_choice(prompt: Prompt) -> bool:
    """What vendors take as the default, ``auto``, needs no tools."""
    choice = prompt.tool_choice
    if isinstance(choice, Tool):
        return choice in prompt.tools
    return choice == "auto" or (choice in ("none", "required") and bool(prompt.tools))


def _is_warmth(prompt: Prompt) -> bool:
    warmth = prompt.temperature
    return warmth is None or (_is_number(warmth) and warmth >= 0)


_OF_ITS_MESSAGES: Final[tuple[tuple[Callable[[Prompt], bool], str], ...]] = (
    (_is_told, "the prompt must be text, or a list of Message"),
    (_says_something, "the prompt is empty; send some text"),
    (_is_answerable, "the last message must be the user's; what the model said comes before it"),
    (_is_every_call_answered, "each ToolCall needs its ToolResult in the very next message"),
)
_OF_THE_REST: Final[tuple[tuple[Callable[[Prompt], bool], str], ...]] = (
    (lambda prompt: prompt.system is None or _is_text(prompt.system), "system must be text"),
    (_is_warmth, "temperature must be 0 or more"),
    (_are_tools, "tools must be a list of Tool, each with a name of its own"),
    (_is_choice, "tool_choice must be auto, or none, required or one of tools, which it needs"),
    (
        lambda prompt: prompt.schema is None or isinstance(prompt.schema, Mapping),
        "schema must be a JSON schema as a mapping",
    ),
    (lambda prompt: is_cost(prompt.max_cost), WRONG_COST),
)
_OF_A_QUESTION: Final[tuple[tuple[Callable[[Question], bool], str], ...]] = (
    (lambda asked: _is_text(asked.model), "model must be the name of one"),
    (lambda asked: _is_count(asked.max_tokens), "max_tokens must be a whole number from 1 on"),
)
_rest: Final = attrgetter("system", "temperature", "tools", "tool_choice", "schema", "max_cost")
_NOTHING_MORE: Final = _rest(Prompt(""))


def complaint(question: Question, *timeouts: float | None) -> str | None:
    """What is wrong with *question* or a timeout in seconds; None if nothing is."""
    for timeout in timeouts:
        if timeout is not None and not (_is_number(timeout) and timeout > 0):
            return "timeout must be above 0 seconds"
    prompt, is_plain = question.prompt, _is_plain(question)
    wrong = None if is_plain else _first_wrong(_OF_ITS_MESSAGES, prompt)
    if wrong is None and not all(map(is_, _rest(prompt), _NOTHING_MORE)):
        wrong = _first_wrong(_OF_THE_REST, prompt)
    return wrong if wrong or is_plain else _first_wrong(_OF_A_QUESTION, question)


def _is_plain(question: Question) -> bool:
    """Whether it is one text, of the very types that are asked for, as most questions are.

    Then no rule of messages or of a question is against it.
    """
    told, most = question.prompt.messages, question.max_tokens
    return (
        type(told) is type(question.model) is str
        and type(most) is int
        and 1 <= most <= maxsize
        and bool(told)
        and not told.isspace()
    )


def _first_wrong(rules: Sequence[tuple[Callable[[T], bool], str]], asked: T) -> str | None:
    for is_right, what in rules:
        if not is_right(asked):
            return what
    return None
