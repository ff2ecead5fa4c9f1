"""Every error has a text in every language, and every text an error."""

import string

import pytest

from gateway.problems import document, errors
from gateway.problems.errors import GatewayError
from gateway.problems.languages import LANGUAGES, Language, preferred
from gateway.problems.violations import Violation, text


def tree(root: type[GatewayError] = GatewayError) -> list[type[GatewayError]]:
    return [root, *(one for child in root.__subclasses__() for one in tree(child))]


# Two classes only stand for what is below them.
answered = [error for error in tree() if error is not errors.UnavailableError]


@pytest.mark.parametrize("error", answered, ids=lambda error: error.__name__)
def test_each_error_has_its_text_and_status(error: type[GatewayError]) -> None:
    assert document.texts()[error.code].status == error.status
    assert error.__name__ in (errors.__doc__ or "")


def test_each_text_has_an_error() -> None:
    assert set(document.texts()) == {error.code for error in answered}


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_are_complete_and_alike_in_each_language(language: Language) -> None:
    for one in document.texts().values():
        assert one.title[language]
        assert one.mend[language]
        fields = {name for _, name, _, _ in string.Formatter().parse(one.detail[language])}
        assert fields == {name for _, name, _, _ in string.Formatter().parse(one.detail["en"])}


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("ru", "ru"),
        ("ru-RU,ru;q=0.9,en;q=0.8", "ru"),
        ("en;q=0.5, ru;q=0.6", "ru"),
        ("de, fr;q=0.9", "en"),
        ("de, ru;q=0.1", "ru"),
        ("*", "en"),
        ("ru;q=0", "en"),
        ("ru;q=banana", "en"),
        (";;;,,,=", "en"),
    ],
)
def test_the_language_that_is_asked_for(header: str, language: Language) -> None:
    assert preferred(header) == language


def test_a_rule_without_words_of_ours_keeps_its_own() -> None:
    assert text(Violation("pointer", "#/x", "something_new", {}, "Something new"), "ru") == "Something new"
