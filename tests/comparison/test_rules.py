"""Every word at the boundary where it begins: a rule and the sentence that states it must not come apart."""

from __future__ import annotations

import math

import pytest

from tsforge.comparison import rules
from tsforge.comparison.rules import NO, PARTLY, UNKNOWN, YES
from tsforge.model.zoo import ZOO


@pytest.mark.parametrize(
    ("exponent", "word"),
    [
        (-0.2, YES), (0.0, YES), (0.25, YES), (0.2501, PARTLY), (0.5, PARTLY), (0.7499, PARTLY), (0.75, NO), (2.0, NO),
        (math.nan, UNKNOWN),
    ],
)  # fmt: skip
def test_parallel(exponent: float, word: str) -> None:
    """Prevents: "at most 0.25" and "from 0.75 on" meaning something else in the code."""
    assert rules.parallel(exponent) == word


@pytest.mark.parametrize(
    ("lag", "word"),
    [
        (0, "none"), (9, "none"), (10, "weak"), (29, "weak"), (30, "fair"), (99, "fair"), (100, "good"), (299, "good"),
        (300, "excellent"), (1000, "excellent"), (math.nan, UNKNOWN),
    ],
)  # fmt: skip
def test_reach(lag: float, word: str) -> None:
    """Prevents: a lag that is solved being counted as the next lower word."""
    assert rules.reach(lag) == word


@pytest.mark.parametrize(
    ("pace", "word"),
    [(300.0, "fast"), (200.0, "fast"), (199.9, "medium"), (100.0, "medium"), (99.9, "slow"), (0.0, "slow")],
)
def test_fast(pace: float, word: str) -> None:
    """Prevents: two thirds of 300 not being 200, by rounding."""
    assert rules.fast({"first": 300.0, "other": pace})["other"] == word
    assert rules.fast({"first": 0.3, "other": pace / 1000})["other"] == word


@pytest.mark.parametrize(
    ("size", "word"), [(100.0, "low"), (150.0, "low"), (150.1, "medium"), (300.0, "medium"), (300.1, "high")]
)
def test_lean(size: float, word: str) -> None:
    """Prevents: 1.5 times or 3 times the least falling on the wrong side, by rounding."""
    assert rules.lean({"least": 100.0, "other": size})["other"] == word
    assert rules.lean({"least": 0.1, "other": size / 1000})["other"] == word


def test_words_of_one_are_those_of_the_best() -> None:
    """Prevents: a division, or a word for the worst, where there is nobody to compare with."""
    assert rules.fast({"only": 3.0}) == {"only": "fast"}
    assert rules.lean({"only": 3.0}) == {"only": "low"}


@pytest.mark.parametrize("none", [math.nan, math.inf])
def test_what_has_no_figure_has_no_word_and_takes_none_from_others(none: float) -> None:
    """Prevents: one failed measurement that makes every other architecture slow, or the table impossible."""
    assert rules.fast({"a": 9.0, "b": none}) == {"a": "fast", "b": UNKNOWN}
    assert rules.lean({"a": 9.0, "b": none}) == {"a": "low", "b": UNKNOWN}
    assert rules.fast({"a": none}) == {"a": UNKNOWN}
    assert rules.fast({"a": 0.0, "b": 0.0}) == {"a": UNKNOWN, "b": UNKNOWN}
    assert rules.lean({"a": none, "b": none}) == {"a": UNKNOWN, "b": UNKNOWN}


@pytest.mark.parametrize(
    ("model", "verdict", "word"),
    [
        ("lstm", None, "best"), ("gru", "worse", "worse"), ("gru", "no difference to be told", "level"),
        ("gru", "better", "level"), ("gru", "too few to tell", "unsure"), ("gru", None, UNKNOWN),
    ],
)  # fmt: skip
def test_accurate(model: str, verdict: str | None, word: str) -> None:
    """Prevents: a difference that no test found called worse, or a word without a test."""
    assert rules.accurate(model, "lstm", verdict) == word


def test_every_word_stands_in_its_rule() -> None:
    """Prevents: a word in the table that the sentence below it does not explain."""
    for rule, words in (
        (rules.PARALLEL, {rules.parallel(x) for x in (0.0, 0.5, 1.0)}),
        (rules.REACH, {rules.reach(x) for x in (1, 10, 30, 100, 300)}),
        (rules.FAST, set(rules.fast({"a": 9, "b": 4, "c": 1}).values())),
        (rules.LEAN, set(rules.lean({"a": 1, "b": 2, "c": 9}).values())),
        (rules.ACCURATE, {"best", "level", "worse", "unsure"}),
    ):
        assert all(word in rule for word in words), rule


def test_the_textbook_speaks_of_families_in_the_words_of_the_rules() -> None:
    """Prevents: an agreement that can never be reached, and a stranger that is taken for a relative."""
    words = " ".join((rules.PARALLEL, rules.REACH, rules.FAST, rules.LEAN)).replace(",", "").split()
    assert all(word in words for said in rules.TEXTBOOK.values() for word in said.values())
    for model in ZOO:
        if ZOO[model]:
            assert (rules.book("Memory", model) is None) == (model in ("nlinear", "cyclenet", "min-gru", "min-lstm"))
    assert rules.book("Memory", "patch-lstm") == rules.book("Memory", "lstm") == "medium"
    assert rules.book("Memory", "transformer-encoder") == rules.book("Memory", "transformer") == "high"
    assert rules.book("Memory", "scan") is rules.book("Memory", "grumble") is rules.book("Accuracy", "lstm") is None
