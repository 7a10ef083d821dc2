"""A usual question is looked at in fewer steps, and the same is found wrong with it."""

from hypothesis import given
from hypothesis import strategies as st

from koo.ai import Prompt
from koo.ai.asking import Question
from koo.ai.questions import complaint


class _Text(str):
    """A text, but not of the very type that usual questions have."""

    __slots__ = ()


_blanks = st.text("\x1c\x85 \t\n\u2003\u3000", max_size=3)
_texts = st.text(max_size=5) | _blanks
_models = st.sampled_from(["m", "", _Text("m"), None, 5])
_counts = st.integers(-1, 2) | st.sampled_from([True, 1.0, "1", None, 2**63, 2**64, 10**400])


@given(_texts, _models, _counts, st.sampled_from([None, "Be brief.", 5]))
def test_the_same_is_wrong_with_a_usual_question_as_with_any(told, model, most, system):
    usual, other = (
        complaint(Question(Prompt(text, system), model, most)) for text in (told, _Text(told))
    )
    assert usual == other


@given(_blanks)
def test_nothing_but_blanks_is_empty(told):
    assert "is empty" in complaint(Question(Prompt(told), "m", 1))


def test_nothing_is_wrong_with_a_usual_question():
    assert complaint(Question(Prompt(" Why?\n"), "m", 1), None, 0.5) is None
