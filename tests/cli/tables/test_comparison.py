"""The tables of a comparison as a terminal shows them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.helpers import synthetic
from tsforge.cli.tables.comparison import print_comparison
from tsforge.comparison import verdicts
from tsforge.comparison.rules import Aspect
from tsforge.comparison.table import ComparisonTable


def shown(capsys: pytest.CaptureFixture[str], table: ComparisonTable, *, definitions: bool = False) -> list[str]:
    print_comparison(table, definitions=definitions)
    return capsys.readouterr().out.splitlines()


def test_words_come_first_and_models_are_columns(capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: words under another model's name."""
    lines = [line.split() for line in shown(capsys, verdicts.build(synthetic.measured()))]
    assert lines[1] == ["rnn", "lstm", "gru", "transformer"]
    assert lines[2] == ["Parallelisation", "✗", "✗", "✗", "✓"]
    assert lines[4] == ["Training", "speed", "medium", "slow", "medium", "fast"]


@pytest.mark.parametrize(
    "models", [synthetic.MODELS, (*synthetic.MODELS, "transformer-encoder", "transformer-decoder")]
)
def test_everything_is_there_within_100_columns(capsys: pytest.CaptureFixture[str], models: tuple[str, ...]) -> None:
    """Prevents: a figure that is cut off, or lines that a terminal breaks."""
    table = verdicts.build(synthetic.measured(models, data=("demand", "household-electricity-hourly")))
    lines = shown(capsys, table)
    assert max(map(len, lines)) <= 100
    assert not [line for line in lines if line != line.rstrip()]
    text = " ".join(" ".join(lines).split())
    for row in table.rows:
        for cell in row.cells.values():
            assert cell.text in text, (row.key, cell)
    for model in table.columns:
        assert model in text
    for aspect, said in table.agreement.items():
        assert f"{aspect}: {said}" in text


def test_baselines_stand_in_the_accuracy_section_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: empty columns of baselines, which have no speed and no memory."""
    text = "\n".join(shown(capsys, verdicts.build(synthetic.measured())))
    before, after = text.split("\n  Accuracy  ")[1:][0], text.split("\n  Accuracy  ")[2:]
    assert "drift" not in before
    assert "drift" in "".join(after)


def test_definitions_and_rules_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: a terminal full of definitions, or none where they were asked for."""
    table = verdicts.build(synthetic.measured())
    plain = " ".join(" ".join(shown(capsys, table)).split())
    told = " ".join(" ".join(shown(capsys, table, definitions=True)).split())
    for row in table.rows:
        assert row.definition not in plain
        assert row.definition in told
        assert row.rule in told
    for aspect in Aspect:
        assert table.rules[aspect] in told


def test_a_name_is_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: a data set called [red] that colours the table, or [/] that ends it with an error."""
    measured = synthetic.measured(data=("[red]x[/]:smile:", "demand"))
    assert "[red]x[/]:smile:" in "\n".join(shown(capsys, verdicts.build(measured)))


def test_little_is_shown_of_little(capsys: pytest.CaptureFixture[str]) -> None:
    """Prevents: headings with nothing below them."""
    lines = shown(capsys, verdicts.build(replace(synthetic.measured(("scan",), probes=False), data=())))
    assert "textbook" not in "".join(lines)
