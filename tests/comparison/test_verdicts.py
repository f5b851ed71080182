"""From measurements made by hand to words: what a comparison says follows from its figures alone."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from tests.helpers import synthetic
from tests.helpers.synthetic import LENGTHS, MODELS, attempts, with_probe
from tsforge.comparison import rows, rules, verdicts
from tsforge.comparison.probes.cost import Curve
from tsforge.comparison.probes.memory_tasks import TASKS
from tsforge.comparison.results import Measured
from tsforge.comparison.rules import UNKNOWN, Aspect
from tsforge.comparison.table import Cell, ComparisonTable


def words(measured: Measured, aspect: str) -> dict[str, str]:
    return verdicts.build(measured).verdicts[aspect]


def swapped(measured: Measured, model: str, other: str) -> Measured:
    """Figures under each other's names."""
    names = {model: other, other: model}
    data = [
        replace(
            d, fits=tuple(replace(f, model=names.get(f.model, f.model)) for f in d.fits),
            best=names.get(d.best, d.best), against={names.get(m, m): p for m, p in d.against.items()},
        )
        for d in measured.data
    ]  # fmt: skip
    probed = {m: measured.probed[names.get(m, m)] for m in measured.models}
    return replace(measured, probed=probed, data=tuple(data))


def test_what_theory_expects_is_what_a_textbook_says() -> None:
    """Prevents: rules by which even the textbook's own figures would not get the textbook's words."""
    table = verdicts.build(synthetic.measured())
    for aspect in ("Parallelisation", "Long-range dependencies", "Memory"):
        assert table.verdicts[aspect] == rules.TEXTBOOK[aspect]
        assert table.agreement[aspect] == "as the textbook says"
    assert table.verdicts["Accuracy"] == {"rnn": "worse", "lstm": "level", "gru": "best", "transformer": "worse"}


def test_what_differs_from_the_textbook_is_said_of_whom() -> None:
    """Prevents: a sentence that agrees with the textbook whatever was measured."""
    table = verdicts.build(synthetic.measured())
    assert table.verdicts["Training speed"]["rnn"] == "medium"
    assert table.agreement["Training speed"] == (
        "differs from the textbook in rnn (medium where it says slow), gru (medium where it says slow)"
    )
    assert "Accuracy" not in table.agreement


@pytest.mark.parametrize(("model", "other"), [("rnn", "transformer"), ("lstm", "transformer"), ("rnn", "gru")])
def test_figures_carry_their_words_to_whoever_has_them(model: str, other: str) -> None:
    """Prevents: a word that looks at a name and not at the figures."""
    before = verdicts.build(synthetic.measured())
    after = verdicts.build(swapped(synthetic.measured(), model, other))
    names = {model: other, other: model}
    for aspect, by_model in before.verdicts.items():
        assert after.verdicts[aspect] == {m: by_model[names.get(m, m)] for m in MODELS}, aspect
    for row, again in zip(before.rows, after.rows, strict=True):
        assert again.cells == {m: row.cells[names.get(m, m)] for m in row.cells}, row.key


def test_an_architecture_that_the_textbook_does_not_know_gets_words_and_no_sentence() -> None:
    """Prevents: a comparison that breaks on a backbone that is added later."""
    table = verdicts.build(synthetic.measured(("lstm", "scan")))
    assert table.verdicts["Parallelisation"]["scan"] == rules.YES
    assert table.verdicts["Long-range dependencies"]["scan"] == "excellent"
    assert table.verdicts["Memory"]["scan"] == "low"
    assert not [text for text in table.agreement.values() if "scan" in text]
    assert verdicts.build(synthetic.measured(("scan",))).agreement == {}


def test_the_shorter_of_both_tasks_counts() -> None:
    """Prevents: one easy task that makes up for a failed one."""
    measured = with_probe(synthetic.measured(), "gru", attempts={"adding": attempts(1000), "recall": attempts(30)})
    table = verdicts.build(measured)
    assert table.verdicts["Long-range dependencies"]["gru"] == "fair"
    cells = {row.key: row.cells["gru"] for row in table.rows if row.aspect == Aspect.REACH}
    assert cells["reach/adding_lag"] == Cell(1000.0, "1000", "excellent", "1000: 3/3")
    assert cells["reach/recall_lag"] == Cell(30.0, "30", "fair", "30: 3/3, 100: 1/3")


def test_no_attempt_is_not_a_failed_one() -> None:
    """Prevents: "none" said of a task that was never tried."""
    measured = with_probe(synthetic.measured(), "gru", attempts={"adding": (), "recall": attempts(30)})
    assert words(measured, "Long-range dependencies")["gru"] == UNKNOWN
    failed = with_probe(synthetic.measured(), "gru", attempts={task: attempts(0) for task in TASKS})
    assert words(failed, "Long-range dependencies")["gru"] == "none"


def test_what_has_no_figure_is_a_dash_and_leaves_all_others_their_words() -> None:
    """Prevents: "nan" in a table, or one failed measurement that changes what is said of others."""
    nothing = Curve(LENGTHS, (math.nan,) * len(LENGTHS))
    measured = with_probe(
        synthetic.measured(), "lstm", chain=nothing, saved=nothing, seconds=nothing,
        reach={"initial": (math.nan,) * 50, "trained": ()},
    )  # fmt: skip
    fits = tuple(replace(f, seconds=0.0, curve=()) if f.model == "lstm" else f for f in measured.data[0].fits)
    measured = replace(measured, data=(replace(measured.data[0], fits=fits),))
    table = verdicts.build(measured)
    for aspect in ("Parallelisation", "Training speed", "Memory"):
        usual = words(synthetic.measured(), aspect)
        assert table.verdicts[aspect] == usual | {"lstm": UNKNOWN}
        assert "lstm" not in table.agreement[aspect]
    texts = [cell.full + row.title for row in table.rows for cell in row.cells.values()]
    assert not [text for text in texts if "nan" in text or "inf" in text]
    assert Cell(math.nan, UNKNOWN, UNKNOWN).shown == UNKNOWN


def test_baselines_have_scores_alone() -> None:
    """Prevents: a figure of a network's cost beside a model that has none."""
    cells = {row.key: row.cells for row in verdicts.build(synthetic.measured()).rows}
    assert cells["parallel/chain"]["transformer"].value == 60.0
    beside = {key for key, row in cells.items() if "naive" in row}
    assert beside == {"demand/mase", "demand/mse", "demand/wql", "demand/skill"}


def test_accuracy_over_several_data_sets_is_counted() -> None:
    """Prevents: the first data set's word standing for all of them."""
    table = verdicts.build(synthetic.measured(data=("demand", "sales")))
    assert table.verdicts["Accuracy"] == {"rnn": "0 of 2", "lstm": "2 of 2", "gru": "2 of 2", "transformer": "0 of 2"}
    assert "of 2 data sets" in table.rules["Accuracy"]


def test_skill_is_against_seasonal_naive() -> None:
    """Prevents: a sign or a reference the wrong way round."""
    cells = next(row for row in verdicts.build(synthetic.measured()).rows if row.key == "demand/skill").cells
    assert cells["gru"].text == "+26.0"
    assert cells["naive"].text == "-31.0"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([0.84, 0.85], "0.8450 ± 0.0071"), ([12345.6, 12345.6], "12,346 ± 0"), ([0.0, 0.0], "0.000 ± 0.000"),
        ([3.0], "3.000"), ([0.00012], "0.0001200"), ([0.0000012], "1.2e-06"), ([1.0, math.nan], UNKNOWN), ([], UNKNOWN),
    ],
)  # fmt: skip
def test_a_deviation_ends_at_the_digit_of_its_mean(values: list[float], text: str) -> None:
    """Prevents: "12,346 ± 2.3e+02"."""
    assert rows._spread(values, "").text == text


def test_every_verdict_has_a_rule_and_rows_and_every_row_an_aspect() -> None:
    """Prevents: a figure that no table shows, or a verdict that nobody can follow."""
    table: ComparisonTable = verdicts.build(synthetic.measured())
    assert list(table.verdicts) == list(Aspect) == list(table.rules)
    assert {row.aspect for row in table.rows} == set(Aspect)
    assert len({row.key for row in table.rows}) == len(table.rows)
    for aspect in Aspect:
        titles = "; ".join(titles for titles, _ in table.explained(aspect))
        assert all(row.title in titles for row in table.rows if row.aspect == aspect)


def test_without_probes_only_trainings_are_judged() -> None:
    """Prevents: words about what was not measured."""
    table = verdicts.build(synthetic.measured(probes=False))
    assert list(table.verdicts) == ["Training speed", "Accuracy"]
    table = verdicts.build(replace(synthetic.measured(), data=()))
    assert Aspect.ACCURACY not in [aspect for aspect, _, _ in table.sections]
