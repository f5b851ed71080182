"""The benchmarks of speed: ratios, tables and parsers against values worked out by hand; one row from end to end."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.speed import __main__ as speed
from benchmarks.speed import accuracy, machine, nets, reading, tables, threads, works
from benchmarks.speed.pace import Pace
from benchmarks.speed.page import paste
from benchmarks.speed.threads import Stamp

FACTS = {
    "date": "2026-01-02 03:04", "processor": "a processor", "cores": 2, "memory_gib": 8.0, "system": "Linux x86_64",
    "python": "3.11.7", "versions": {"torch": "2.13.0"}, "commit": "abc",
}  # fmt: skip


def test_a_ratio_is_the_median_of_the_pairs() -> None:
    """Prevents: a ratio of medians, which a burst that hits both halves of one pair would move."""
    paired = tables.paired([2.0, 40.0, 3.0], [1.0, 10.0, 2.0])
    assert paired["ratio"] == 2.0  # of 2, 4 and 1.5; the ratio of the medians is 1.5
    assert (paired["least"], paired["most"]) == (1.5, 4.0)
    assert (paired["seconds"], paired["base_seconds"]) == (3.0, 2.0)
    with pytest.raises(ValueError, match="shorter"):
        tables.paired([1.0], [])


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (0.0, "0"),
        (0.034, "0.03"),
        (3.14159, "3.14"),
        (42.42, "42.4"),
        (1234.5, "1,234"),
        (99_999.9, "100,000"),
    ],
)
def test_numbers_have_three_digits(value: float | None, shown: str) -> None:
    assert tables.number(value) == shown


def test_a_table_is_markdown() -> None:
    """Prevents: a row with fewer cells than titles, which Markdown shifts."""
    lines = tables.markdown(["a", "b"], [["x", 1], ["y", 2]])
    assert lines == ["| a | b |", "|---|--:|", "| x | 1 |", "| y | 2 |"]


def test_noisy_rows_and_failures_are_named() -> None:
    """Prevents: a figure of a busy machine that looks like any other, and a row that is silently missing."""
    rows: dict[str, dict[str, Any]] = {
        "quiet": {"others": 0.02}, "busy": {"others": 0.9}, "broken": {"failed": "no\nmemory"},
        "raised": {"failed": 'Traceback:\n  File "x.py", line 1\nImportError: no such module'},
        "none": {"missing": "no M3"},
    }  # fmt: skip
    noisy, *absent = tables.noise(rows)
    assert "busy (0.90)" in noisy
    assert "quiet" not in noisy
    assert absent == [
        "Without a result: broken: no memory",
        "Without a result: raised: ImportError: no such module",
        "Without a result: none: no M3",
    ]
    assert tables.noise({"elsewhere": {"others": None}}) == [
        "How busy other programs were cannot be told on this system."
    ]


def test_turns_are_paired_and_the_first_ones_left_out() -> None:
    """Prevents: warm-up among the pairs, a pair with itself, and a division the wrong way round."""
    steps: list[int] = []
    pace = Pace(steps.append, size=4, pairs=2, warm=1)
    assert [pace.pair(5.0) for _ in range(3)] == [False, False, True]
    assert steps == [4, 4, 4]
    assert pace.own == [5.0, 5.0]
    pace.own, pace.other = [5.0, 4.0, 10.0], [10.0, 2.0, 5.0]
    result = pace.result(batch=50)
    assert result["share"] == 0.5  # of 2, 0.5 and 0.5
    assert (result["least"], result["most"]) == (0.5, 2.0)
    assert result["windows_per_second"] == pytest.approx(1_000 * 50 / 5.0)


def test_a_program_that_tells_its_steps_is_timed_without_the_floor() -> None:
    """Prevents: the floor's time, or that of a validation, counted as the program's."""
    pace = Pace(lambda _: time.sleep(0.05), size=2, pairs=2, warm=0)
    for _ in range(5):
        pace.after_step()
        time.sleep(0.001)
    assert len(pace.own) == 2
    assert max(pace.own) < 25 <= min(pace.other)  # each of two steps of the floor takes half of its sleep


def test_the_share_of_validation() -> None:
    """Prevents: what lies between two ticks taken for a validation where none was."""
    stamps = [
        Stamp(0.0, 20, False),
        Stamp(2.0, 40, False),
        Stamp(4.5, 50, True),
        Stamp(5.5, 60, False),
        Stamp(7.5, 80, False),
    ]
    share = threads.share(stamps)
    assert share["ms"] == pytest.approx(100)
    assert share["share"] == pytest.approx(1.5 / 6)  # 60 steps of 0.1 s; the one with a validation took 3.5 s and not 2
    assert (share["validations"], share["steps"]) == (1, 60)


def test_threads_that_are_tried() -> None:
    assert threads.counts(1) == [1, 2]
    assert threads.counts(2) == [1, 2, 4]
    assert threads.counts(6) == [1, 2, 4, 6]


def test_measures_against_loops() -> None:
    """Prevents: a scale from the part that is forecast, and sMAPE in another convention than M3's."""
    random = np.random.default_rng(0)
    values = random.uniform(1, 2, 700)
    forecasts = random.uniform(1, 2, (2, 48))
    before = values[:-96]
    scale = np.mean([abs(before[i] - before[i - 336]) for i in range(336, len(before))])
    error = np.mean([abs(forecasts[i, h] - values[-96 + 48 * i + h]) for i in range(2) for h in range(48)])
    assert accuracy.mase(values, forecasts) == pytest.approx(error / scale)
    assert accuracy.smape(np.array([[1.0, 3.0]]), np.array([[3.0, 3.0]])) == pytest.approx(50.0)


def test_rows_by_name_and_group() -> None:
    assert speed.rows("w1-gru,commands") == ["w1-gru", "import", "help", "predict", "fit-linear"]
    assert speed.rows("nets,w1-gru") == list(nets.ROWS)
    with pytest.raises(argparse.ArgumentTypeError, match="no such row: w3"):
        speed.rows("w3")


def test_every_row_belongs_to_one_group() -> None:
    """Prevents: two rows of one name, of which one would be lost."""
    names = [name for group in speed.GROUPS.values() for name in group.ROWS]
    assert len(names) == len(set(names))
    assert not set(names) & set(speed.GROUPS)


def test_tables_of_the_works_have_their_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: made tables of another size than the public ones that they stand in for, or without saying so."""
    monkeypatch.setattr(works, "located", lambda _: None)
    made = works.tables(None)
    assert [len(made[name].values) for name in ("w1", "w1-predict")] == [7 * 8_640, 1_000 * 96]
    assert len(made["w2"].offsets) == 1_428 + 1
    assert all("made" in table.source for table in made.values())
    for table in made.values():
        assert table.values.dtype == np.float32
        assert np.isfinite(table.values).all()
    frame = made["w2"].frame(works.WORKS["w2"])
    assert frame.groupby("unique_id").size().to_list() == np.diff(made["w2"].offsets).tolist()


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    table = works.joined([np.arange(3, dtype=np.float32), np.arange(5, dtype=np.float32)], "a test")
    table.write(tmp_path / "folder" / "t.npz")
    again = works.Table.read(tmp_path / "folder" / "t.npz")
    assert again.values.tolist() == table.values.tolist()
    assert again.offsets.tolist() == [0, 3, 8]
    assert again.source == "a test"


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_both_readers_get_to_a_batch(tmp_path: Path, name: str) -> None:
    """Prevents: a base that fails on a file that the benchmark writes."""
    from benchmarks.speed import floor, ours

    path = reading.write(tmp_path / name, series=3, length=200)
    frame = reading.read_frame(path)
    assert frame["y"].dtype == np.float32
    assert len(frame) == 600
    floor.first_batch(path)
    ours.first_batch(path)


def test_one_row_from_end_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prevents: a command that measures for minutes and then cannot print or save what it measured."""
    output = tmp_path / "out" / "speed.json"
    monkeypatch.setattr("sys.argv", ["speed", "--only", "import", "--quick", "--output", str(output)])
    speed.main()
    printed = capsys.readouterr().out
    saved = json.loads(output.read_text(encoding="utf-8"))
    assert saved["rows"]["import"]["ratio"] > 0
    assert f"**{saved['rows']['import']['ratio']:.2f}**" in printed
    assert "Measured with --quick" in printed
    monkeypatch.setattr("sys.argv", ["speed", "--tables", str(output)])
    speed.main()
    assert capsys.readouterr().out == printed


def test_a_program_that_dies_is_a_failed_row(tmp_path: Path) -> None:
    """Prevents: an hour of measuring that ends with a traceback."""
    result = nets.program.start("benchmarks.speed.no_such_program", "w1", "lstm", tmp_path, threads=1, limit=60)
    assert "no_such_program" in result["failed"]
    assert nets.table({"w1-lstm": result})[2:] == []


def test_the_machine_is_described() -> None:
    facts = machine.describe()
    assert facts["cores"] >= 1
    assert "torch" in facts["versions"]
    assert machine.sentence(FACTS).startswith("2026-01-02 03:04, 2 cores (a processor), 8.0 GiB, Linux x86_64, Python")


def test_tables_go_into_a_page_between_their_marks(tmp_path: Path) -> None:
    """Prevents: tables of an earlier run that stay, or text around them that goes."""
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- speed -->\nold\n<!-- /speed -->\nb\n<!-- gpu -->\n<!-- /gpu -->\n", encoding="utf-8")
    paste(page, "speed", ["| new |", ""])
    paste(page, "speed", ["| newer |", ""])
    assert page.read_text(encoding="utf-8") == (
        "a\n<!-- speed -->\n| newer |\n<!-- /speed -->\nb\n<!-- gpu -->\n<!-- /gpu -->\n"
    )
    with pytest.raises(ValueError, match="no place"):
        paste(page, "peers", ["|"])


def test_the_page_has_places_for_all_tables() -> None:
    """Prevents: measuring for an hour before a mark is missed."""
    text = (machine.ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
    for name in ("speed", "peers", "gpu"):
        assert text.index(f"<!-- {name} -->") < text.index(f"<!-- /{name} -->")


def test_memory_is_that_of_the_process_itself() -> None:
    """Prevents: a small child that has its large parent's peak, and so seems to need nothing."""
    ballast = np.ones(40_000_000)  # 305 MiB
    code = "from benchmarks.speed import machine; print(machine.peak_memory())"
    done = subprocess.run([sys.executable, "-c", code], cwd=machine.ROOT, capture_output=True, text=True, check=True)
    assert float(done.stdout) < ballast.nbytes / 2**20 < machine.peak_memory()
