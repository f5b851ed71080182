"""What README and docs/ tell people to type must work, and what they point at must exist."""

from __future__ import annotations

import io
import re
import shlex
import shutil
import sys
from pathlib import Path
from pkgutil import resolve_name

import pandas as pd
import pytest

import tsforge
from tests.helpers import pages
from tests.helpers.pages import ROOT
from tsforge.cli.main import run

README = ROOT / "README.md"
PAGES = [README, *pages.pages()]
MORE = [*sorted(ROOT.glob("*.md")), *(ROOT / f"{folder}/README.md" for folder in ("datasets", "mlflow", "pipelines"))]
PIPED = re.compile(r"cat (\S+) \| (tsforge [^|>]+?)(?: [|>] .*)?")
SLOW = ("sweep", "compare", "runs")  # README's are run on the page that shows them again
NEWER = [page for page in PAGES if pages.shows_output(page)]  # tutorial and how-to: as a reader follows them
ELSEWHERE = {  # where the Python of a page is run, if not here
    "export.md": "tests/exporting/test_docs.py",
    "extending.md": "tests/api/test_docs.py",
    "mcp.md": "tests/cli/protocol",
    "other-libraries.md": "tests/adapters/test_sktime.py",
    "python.md": "tests/api/test_docs.py",
    "scale.md": "tests/partitions/test_engines.py",
}


def commands(page: Path) -> list[str]:
    """The lines of a page's sh blocks that call tsforge, some with a file in a pipe before it."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("tsforge ") or PIPED.fullmatch(line)]


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The names that links can give to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_readme_shows_make_demo_and_make_test_first() -> None:
    first = re.search(r"```sh\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert first is not None
    assert re.findall(r"^make \w+", first.group(1), flags=re.MULTILINE)[:2] == ["make demo", "make test"]


def test_readme_shows_a_picture() -> None:
    assert re.search(r"!\[[^\]]+\]\(docs/\w+\.png\)", README.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", sorted({*PAGES, *MORE}), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_and_pictures_exist(page: Path) -> None:
    """Prevents: a link, a picture or a heading that was moved away."""
    for link in re.findall(r"\]\(([^)]+)\)", prose(page)):
        if link.startswith(("http://", "https://")):
            continue
        path, _, heading = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not heading or heading in anchors(target / "README.md" if target.is_dir() else target), link


def test_every_promise_names_its_tests() -> None:
    """Prevents: a promise of SECURITY.md that nothing holds."""
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    promises = text.partition("## What tsforge promises")[2].partition("\n## ")[0].split("\n- **")[1:]
    assert len(promises) >= 9
    for promise in promises:
        tests = re.findall(r"`(tests/[\w./]+\.py)(?:::(\w+))?`", promise)
        assert tests, promise
        assert promise.count("`tests/") == len(tests), promise
        for file, name in tests:
            assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8") if name else (ROOT / file).exists(), name


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_named_files_and_functions_exist(page: Path) -> None:
    """Prevents: a page that sends people to a file or a function that was renamed."""
    folders = "tsforge|tests|benchmarks|pipelines|docs|datasets|mlflow"
    for path in re.findall(rf"`((?:{folders})/[\w./-]+)`", page.read_text(encoding="utf-8")):
        assert (ROOT / path).exists(), path
    for name in re.findall(r"`(tsforge(?:\.\w+)+)", page.read_text(encoding="utf-8")):
        assert resolve_name(name), name


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_trees_have_every_folder(name: str) -> None:
    """Prevents: a map of the code on which a new folder is missing, or one that is gone still stands."""
    (tree,) = re.findall(r"^tsforge/.*?^```", (ROOT / name).read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    shown = set(re.findall(r"^  (?:\w+  )*(\w+)/ ", tree, flags=re.MULTILINE))
    assert shown == {path.parent.name for path in (ROOT / "tsforge").glob("*/__init__.py")}


def test_pages_are_listed() -> None:
    """Prevents: a page that nobody finds."""
    listed = (pages.DOCS / "index.md").read_text(encoding="utf-8")
    for page in PAGES[1:]:
        path = page.relative_to(pages.DOCS).as_posix()
        assert path == "index.md" or f"({path})" in listed, path


@pytest.mark.usefixtures("home", "forked")
@pytest.mark.parametrize(
    "page", [page for page in PAGES if commands(page) and page not in NEWER], ids=lambda page: page.name
)
def test_commands_run(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other in a fresh folder, as a reader would."""
    pages.table()
    elsewhere = [command for other in PAGES if other != README for command in commands(other)]
    for command in commands(page):
        if piped := PIPED.fullmatch(command):
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(Path(piped[1]).read_bytes())))
        argv = shlex.split(piped[2] if piped else command)[1:]
        if page == README and argv[0] in SLOW:
            assert command in elsewhere
        elif (asked := pages.shortened(argv)) is not None:
            expected = (0, 3, 4) if argv[0] == "update" else (0,)  # the old one may stay
            assert run(asked) in expected, command


@pytest.mark.usefixtures("store_at_home", "forked")
@pytest.mark.parametrize("page", NEWER, ids=lambda page: page.name)
def test_pages_can_be_followed(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands and Python in their order, and what is printed is what stands there (mend with
    python -m tests.helpers.pages)."""
    monkeypatch.setenv("COLUMNS", "80")
    pages.table()
    for block, came in pages.follow(page, {}):
        assert not (found := pages.differences(block.printed or "", came)), "\n".join(found)


@pytest.mark.usefixtures("home", "forked")
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES[1:] if pages.snippets(page) and page not in NEWER and page.name not in ELSEWHERE],
    ids=lambda page: page.name,
)
def test_python_of_pages_runs(page: Path) -> None:
    """Behind the fits that stand above it, with few steps."""
    pages.table(None if page.name == "detect.md" else pages.ROWS)
    tables()
    names = {"tsforge": tsforge, "frame_or_path": pd.read_csv("data.csv").tail(900), "longer": "meter.csv"}
    names["frame"] = pd.read_csv("stores.csv")
    for block in pages.blocks(page):
        if block.kind == "python":
            exec(compile(pages.quicker(block.text), page.name, "exec", dont_inherit=True), names)
        for command in pages.called(block.kind, block.text) if block.kind in ("sh", "console") else ():
            argv = shlex.split(command)[1:]
            folder = argv[argv.index("--out") + 1] if argv[0] == "fit" and "--out" in argv else ""
            if folder and f'"{folder}"' in "".join(pages.snippets(page)):
                assert run([*(pages.shortened(argv) or ()), "--overwrite"]) == 0, command


def test_python_that_runs_elsewhere_does() -> None:
    assert [place for place in ELSEWHERE.values() if not (ROOT / place).exists()] == []


def tables() -> None:
    """Files that pages take for granted, beside data.csv."""
    shutil.copy(ROOT / "datasets" / "air-passengers.csv", "air-passengers.csv")
    days = pd.date_range("2024-01-01", periods=90).astype(str)
    stores = [pd.DataFrame({"store": store, "day": days, "sold": range(90)}) for store in ("a", "b")]
    pd.concat(stores).to_csv("stores.csv", index=False)
    quarters = pd.date_range("2000-01-01", periods=40, freq="QS").astype(str)
    regions = (("South", "coast", 5), ("South", "hills", 7), ("North", "city", 3))
    trips = [
        pd.DataFrame({"Quarter": quarters, "State": state, "Region": region}).assign(
            Trips=[size + t % 4 for t in range(40)]
        )
        for state, region, size in regions
    ]
    pd.concat(trips).to_csv("tourism.csv", index=False)
