"""The site of the documentation is built, strictly, and opens without a network."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.helpers.pages import ROOT
from tsforge.api import reference
from tsforge.cli.main import COMMANDS
from tsforge.evaluation import metrics


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site. A warning would end it: a page that no part lists, a link or an anchor that leads nowhere; a cell
    of the notebook that fails does too."""
    os.environ["NO_MKDOCS_2_WARNING"] = "1"
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    folder = tmp_path_factory.mktemp("site")
    config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder), strict=True)
    config.plugins.on_startup(command="build", dirty=False)
    build(config)
    return folder


def test_pages_need_nothing_from_elsewhere(site: Path) -> None:
    """Prevents: a script, a style, a font or a picture that a reader without a network waits for."""
    pages = list(site.rglob("*.html"))
    assert len(pages) > 60
    for page in pages:
        html = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?([^\"' >]+)", html)
        loaded += re.findall(r"<link\b[^>]*rel=[\"']?(?:stylesheet|preconnect|icon)[^>]*href=[\"']?([^\"' >]+)", html)
        assert not [address for address in loaded if re.match(r"(https?:)?//", address)], page
    for style in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?https?:", style.read_text(encoding="utf-8")), style


def test_reference_has_everything(site: Path) -> None:
    """Prevents: a command, a setting or a metric that the generated pages lack."""
    reference_of = site / "reference"
    assert {path.stem for path in (reference_of / "commands").glob("*.html")} == {*COMMANDS, "index"}
    settings = (reference_of / "settings.html").read_text(encoding="utf-8")
    assert not [s.path for s in reference.settings(None, "gru") if f"<code>{s.path}</code>" not in settings]
    listed = (reference_of / "metrics.html").read_text(encoding="utf-8")
    assert not [name for name in metrics.METRICS if f"<code>{name}</code>" not in listed]
    fit = (reference_of / "commands" / "fit.html").read_text(encoding="utf-8")
    assert "<code>--horizon</code>" in fit
    python = (reference_of / "python.html").read_text(encoding="utf-8")
    assert "<strong>horizon</strong>" in python


def test_equations_are_drawn(site: Path) -> None:
    """Prevents: a page that shows the source of its equations."""
    html = (site / "explanation" / "networks.html").read_text(encoding="utf-8")
    assert html.count("<math") > 20
    assert "arithmatex" not in html
    assert not re.search(r"\\(?:frac|odot|mathrm)", re.sub(r"<annotation.*?</annotation>", "", html))


def test_the_notebook_shows_what_its_cells_gave(site: Path) -> None:
    """Prevents: a notebook that runs no more, or that is shown without its pictures and its report."""
    tutorial = site / "tutorial"
    html = (tutorial / "in-python.html").read_text(encoding="utf-8")
    assert html.count('class="output"') >= 4
    assert re.search(r'src="in-python-\d\.png"', html)
    assert "Traceback" not in html
    assert "<html" in (tutorial / "report.html").read_text(encoding="utf-8")
