"""What a comparison writes down says what was measured, opens anywhere, and executes nothing."""

from __future__ import annotations

import csv
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import IO, Any

import pytest

from tests.helpers import synthetic
from tsforge.comparison import page, report, verdicts
from tsforge.comparison.plots import Picture
from tsforge.comparison.results import Measured
from tsforge.comparison.rules import Aspect
from tsforge.comparison.table import ComparisonTable
from tsforge.errors import ConfigError

# The smallest PNG: 1 × 1.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000002000100ffff03"
    "00000600055748f9fb0000000049454e44ae426082"
)
HOSTILE = "<script>alert(1)</script>|x [a](javascript:b) \"'\n{{ 7*7 }}"


class Page(HTMLParser):
    """Tags with what is in them, and every text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())


def written(folder: Path, measured: Measured) -> tuple[ComparisonTable, dict[str, str]]:
    """(the table, the text of every file by ending)."""
    folder.mkdir(exist_ok=True)
    picture = folder / "one.png"
    picture.write_bytes(PNG)
    table = verdicts.build(measured)
    pictures = [Picture(Aspect.MEMORY, f"of {measured.name}", picture), Picture(None, "Overview", picture)]
    paths = report.write(measured, table, pictures, folder)
    return table, {path.suffix: path.read_text(encoding="utf-8") for path in paths}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[ComparisonTable, dict[str, str]]:
    return written(tmp_path_factory.mktemp("report"), synthetic.measured(data=("demand", "sales")))


def test_four_files_and_nothing_else(tmp_path: Path) -> None:
    """Prevents: drafts left behind, or a file that is written in place."""
    measured = synthetic.measured()
    paths = report.write(measured, verdicts.build(measured), [], tmp_path / "new" / "folder")
    assert [path.name for path in paths] == [f"comparison.{e}" for e in ("md", "csv", "json", "html")]
    assert sorted(paths) == sorted((tmp_path / "new" / "folder").iterdir())


def test_a_file_that_cannot_be_finished_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: half a page where a whole one was."""
    written(tmp_path, synthetic.measured())
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}

    plain = Path.open

    def full(self: Path, mode: str = "r", *_: object, **__: object) -> IO[Any]:
        if "w" not in mode:
            return plain(self, mode)
        self.touch()
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "open", full)
    measured = synthetic.measured(seeds=1)
    with pytest.raises(OSError, match="no space"):
        report.write(measured, verdicts.build(measured), [], tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_page_needs_nothing_but_itself(files: tuple[ComparisonTable, dict[str, str]]) -> None:
    """Prevents: a page that is empty without a network, or that asks somebody for something."""
    text = files[1][".html"]
    page = Page(text)
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "iframe", "base", "object", "form")
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href", "srcset", "action"):
                assert (value or "").startswith("data:image/png;base64,"), (tag, name)
    assert "url(" not in text
    assert "@import" not in text
    assert "http" not in re.sub(r"base64,[^\"]*", "", text)
    assert [a for tag, a in page.tags if tag == "meta" and a.get("name") == "viewport"]


def test_the_page_shows_every_figure_word_and_rule(files: tuple[ComparisonTable, dict[str, str]]) -> None:
    """Prevents: a page that says less than the table."""
    table, texts = files
    shown = Page(texts[".html"]).texts
    everything = "\n".join(shown)
    for row in table.rows:
        assert row.title in shown
        assert row.definition in everything
        for cell in row.cells.values():
            assert cell.text in shown, row.key
            assert not cell.word or cell.word in shown
            assert not cell.note or cell.note in shown
    for aspect, words in table.verdicts.items():
        assert set(words.values()) <= set(shown)
        assert table.rules[aspect] in shown
    for aspect, said in table.agreement.items():
        assert f"{aspect}: {said}" in shown


def test_every_cell_says_what_it_is_when_pointed_at(files: tuple[ComparisonTable, dict[str, str]]) -> None:
    """Prevents: a figure far from its headings that nobody can place."""
    tags = Page(files[1][".html"]).tags
    cells = [attributes.get("title") for tag, attributes in tags if tag == "td" and attributes]
    table = files[0]
    assert len(cells) == sum(len(row.cells) for row in table.rows) + len(table.models) * len(table.verdicts)
    assert all(cells)


def test_a_picture_is_in_the_page_with_its_name(files: tuple[ComparisonTable, dict[str, str]]) -> None:
    """Prevents: pictures that a screen reader cannot name, or that stand under another aspect."""
    text = files[1][".html"]
    images = [attributes for tag, attributes in Page(text).tags if tag == "img"]
    assert [image["alt"] for image in images] == ["Overview", "Memory: of rnn-vs-lstm-vs-gru-vs-transformer"]
    assert text.index("<h2>Memory</h2>") < text.index('alt="Memory:') < text.index("<h2>Accuracy</h2>")


def test_hostile_names_are_text(tmp_path: Path) -> None:
    """Prevents: a data set's name that runs in a reader's browser, or that ends a table's cell."""
    measured = replace(synthetic.measured(data=(HOSTILE,)), name=HOSTILE, machine={"cpu": HOSTILE})
    table, texts = written(tmp_path, measured)
    page = Page(texts[".html"])
    assert "script" not in {tag for tag, _ in page.tags}
    assert "{{ 7*7 }}" in texts[".html"]
    assert "49 }}" not in texts[".html"]
    assert any("<script>alert(1)</script>|x" in shown for shown in page.texts)
    assert "<script" not in texts[".md"]
    assert "[a](" not in texts[".md"]
    for lines in tables(texts[".md"]):
        assert len({len(cells) for cells in lines}) == 1
    assert any(HOSTILE in row["key"] for row in csv.DictReader(texts[".csv"].splitlines(keepends=True)))
    assert json.loads(texts[".json"])["data"][0]["name"] == HOSTILE
    assert table.models == synthetic.MODELS


def tables(text: str) -> list[list[list[str]]]:
    """The tables of a Markdown text, as cells, without the line below the header."""
    parts: list[list[list[str]]] = []
    before = ""
    for line in text.splitlines():
        if line.startswith("| "):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            if not before.startswith("| "):
                parts.append([])
            if not set("".join(cells)) <= set("-:") or not any(cells):
                parts[-1].append([re.sub(r"\\([\\|*\[\]`])", r"\1", c).replace("&lt;", "<") for c in cells])
        before = line
    return parts


def test_markdown_reads_back_to_the_same_cells(files: tuple[ComparisonTable, dict[str, str]]) -> None:
    """Prevents: a column that moves, a row that is lost."""
    table, texts = files
    first, *others, facts = tables(texts[".md"])
    assert first == [
        ["", *table.models], *([aspect, *words.values()] for aspect, words in table.verdicts.items())
    ]  # fmt: skip
    assert len(others) == 5
    seen = {}
    for (_, *columns), *lines in others:
        for title, *cells in lines:
            seen[title] = {c: text for c, text in zip(columns, cells, strict=True) if text}
    assert set(seen) == {row.title for row in table.rows}
    for row in table.rows:
        texts = {m: dict.fromkeys((c.full, c.word or "")) for m, c in row.cells.items()}
        assert seen[row.title] == {m: " ".join(text).strip() for m, text in texts.items()}
    assert ["seeds", "3"] in facts
    assert ["the whole comparison", "754 s"] in facts


def test_markdown_states_definitions_and_rules(files: tuple[ComparisonTable, dict[str, str]]) -> None:
    """Prevents: a figure whose meaning only the page explains."""
    table, texts = files
    after = texts[".md"].split("## How each row is measured")[1]
    for row in table.rows:
        assert row.title in after
        assert row.definition in after
        assert row.rule in after
    assert report.verdicts(table) in texts[".md"]
    assert "![Overview](<one.png>)" in texts[".md"]


def test_csv_reads_back(files: tuple[ComparisonTable, dict[str, str]]) -> None:
    """Prevents: digits lost on the way, or an infinity that another program reads as text."""
    table, texts = files
    lines = list(csv.DictReader(texts[".csv"].splitlines(keepends=True)))
    assert tuple(lines[0]) == ("aspect", "key", "model", "value", "text", "word")
    by_cell = {(line["key"], line["model"]): line for line in lines}
    assert len(by_cell) == len(lines) == sum(len(row.cells) for row in table.rows)
    for row in table.rows:
        for model, cell in row.cells.items():
            line = by_cell[row.key, model]
            assert (line["aspect"], line["text"], line["word"]) == (row.aspect, cell.full, cell.word or "")
            expected = cell.value if math.isfinite(cell.value) else None
            assert (float(line["value"]) if line["value"] else None) == expected


def test_json_has_no_nan_and_all_that_was_measured(tmp_path: Path) -> None:
    """Prevents: a document that strict readers refuse, or from which a picture cannot be drawn again."""
    measured = synthetic.measured()
    first = replace(measured.data[0].fits[0], curve=((1.0, math.nan), (2.0, math.inf), (3.0, 0.5)))
    measured = replace(measured, data=(replace(measured.data[0], fits=(first, *measured.data[0].fits[1:])),))

    def refuse(word: str) -> float:
        raise AssertionError(word)

    document = json.loads(written(tmp_path, measured)[1][".json"], parse_constant=refuse)
    named = {"pictures": document["pictures"]}
    assert document == report.document(measured, verdicts.build(measured)) | named
    assert [picture["file"] for picture in document["pictures"]] == ["one.png", "one.png"]
    losses = [point["loss"] for point in document["data"][0]["trainings"][0]["validation"]]
    assert losses == [None, None, 0.5]
    probed = measured.probed["lstm"]
    probe = document["probes"]["lstm"]
    assert probe["dependent_operations"]["values"] == list(probed.chain.values)
    assert probe["step_seconds"]["lengths"] == list(probed.seconds.lengths)
    assert probe["gradient_norms"]["trained"] == list(probed.reach["trained"])
    assert [a["solved"] for a in probe["attempts"]["recall"]] == [a.solved for a in probed.attempts["recall"]]
    assert len(document["data"][0]["trainings"]) == 12
    assert document["data"][0]["baselines"]["naive"]["mase"] == 1.31
    cell = next(row for row in document["rows"] if row["key"] == "reach/half_life_initial")["cells"]["transformer"]
    assert cell == {"value": None, "text": "does not fall", "word": "", "note": ""}


@pytest.mark.parametrize("case", ["no probes", "no data", "one seed", "stranger"])
def test_what_was_left_out_is_left_out(tmp_path: Path, case: str) -> None:
    """Prevents: a small comparison that cannot be written down."""
    measured = {
        "no probes": synthetic.measured(probes=False),
        "no data": replace(synthetic.measured(), data=()),
        "one seed": synthetic.measured(seeds=1),
        "stranger": synthetic.measured(("scan",)),
    }[case]
    _, texts = written(tmp_path, measured)
    assert len(texts) == 4
    assert ("Memory" in texts[".md"].replace("Memory: of", "")) == (case != "no probes")
    assert "1 seed each" in texts[".html"] or case != "one seed"


def test_a_comparison_that_is_read_back_has_the_same_page(tmp_path: Path) -> None:
    """Prevents: a report that says less, or something else, than what was measured."""
    measured = synthetic.measured(data=("demand", HOSTILE))
    _, texts = written(tmp_path, measured)
    content = page.read(tmp_path)
    assert page.text(replace(content, data=[])) == texts[".html"]
    shown = Page(page.text(content)).texts
    for data in measured.data:
        for name in data.baselines:
            assert name in shown
        for fit in data.fits:
            assert f"{data.mean(fit.model, 'mase'):.4g}" in shown
    (tmp_path / "comparison.json").write_text("{}")
    with pytest.raises(ConfigError, match="damaged"):
        page.read(tmp_path)
    with pytest.raises(ConfigError, match="holds no comparison"):
        page.read(tmp_path / "none")
