"""What README and docs/ tell people to type must work, and what they point at must exist."""

from __future__ import annotations

import io
import re
import shlex
import sys
from pathlib import Path
from pkgutil import resolve_name

import pytest

from tsforge.cli.main import run

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
MORE = [*sorted(ROOT.glob("*.md")), *(ROOT / f"{folder}/README.md" for folder in ("datasets", "mlflow", "pipelines"))]
ROWS = 35 * 48  # of the table that commands are run on, its last ones: enough for all of them, and quick
QUICK = ["--max-steps", "3"]  # what a fit needs to be quick enough for a test
FEW = ["--trials", "2", "--refit", "1", "--seeds", "1", "--context", "48", "--space", "model.width=8"]  # and a sweep
PIPED = re.compile(r"cat (\S+) \| (tsforge [^|>]+?)(?: [|>] .*)?")
SLOW = ("sweep", "compare", "runs")  # README's are run on the page that shows them again


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


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs/architecture.md"])
def test_trees_have_every_folder(name: str) -> None:
    """Prevents: a map of the code on which a new folder is missing, or one that is gone still stands."""
    (tree,) = re.findall(r"^tsforge/.*?^```", (ROOT / name).read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    shown = set(re.findall(r"^  (?:\w+  )*(\w+)/ ", tree, flags=re.MULTILINE))
    assert shown == {path.parent.name for path in (ROOT / "tsforge").glob("*/__init__.py")}


def test_pages_are_listed() -> None:
    for page in PAGES[1:]:
        assert page.name == "index.md" or f"({page.name})" in (ROOT / "docs" / "index.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("home", "forked")
@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.name)
def test_commands_run(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other in a fresh folder, as a reader would."""
    header, *rows = (ROOT / "datasets" / "electricity-demand.csv").read_text(encoding="utf-8").splitlines()
    Path("data.csv").write_text("\n".join([header, *rows[-ROWS:]]), encoding="utf-8")
    elsewhere = [command for other in PAGES if other != README for command in commands(other)]
    for command in commands(page):
        if piped := PIPED.fullmatch(command):
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(Path(piped[1]).read_bytes())))
        argv = shlex.split(piped[2] if piped else command)[1:]
        if any("etth1" in word for word in argv):  # not shipped
            continue
        if argv[0] in ("serve", "ui", "export"):  # until they are stopped, or slowly; tests of their own do that
            continue
        if "--resume" in argv:  # what was killed; the same
            continue
        if page == README and argv[0] in SLOW:
            assert command in elsewhere
            continue
        if argv[0] == "sweep":
            argv += FEW
        if argv[0] == "pretrain":  # in hours
            hours = argv.index("--hours")
            argv[hours : hours + 2] = ["--steps", "2", "--set", "train.series=8"]
            argv = [str(ROOT / word) if word.startswith("pipelines/") else word for word in argv]
        if "--max-steps" in argv:
            argv[argv.index("--max-steps") + 1] = QUICK[1]
        elif argv[0] in ("fit", "sweep") or (argv[0] == "backtest" and "--model" in argv):
            argv += QUICK
        if argv[0] == "compare":
            if argv[1].startswith("pipelines/"):  # a test of its own does that
                continue
            argv += ["--quick", "--no-probes", *QUICK]
        if argv[0] in ("fit", "backtest", "compare", "sweep") and "--register" not in argv:
            argv.append("--no-track")
        assert run(argv) in ((0, 3) if argv[0] == "update" else (0,)), command  # of few steps, the old model may stay
