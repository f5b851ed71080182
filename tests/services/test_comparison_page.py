"""The page of a comparison as a person sees it: on a phone, on a screen, on paper. In a real browser."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import synthetic
from tsforge.comparison import plots, report, verdicts

pytestmark = pytest.mark.xdist_group("ui")

WIDE = "return [...document.querySelectorAll('.wide:has(table)')].map(box => [box.clientWidth, box.scrollWidth]);"
DEFINITIONS = "return [...document.querySelectorAll('dd')].map(dd => dd.checkVisibility() ? dd.offsetHeight : 0);"


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """opened(models, width) -> the browser, with the page of such a comparison in it."""

    def open_page(models: tuple[str, ...], width: int) -> Any:
        measured = synthetic.measured(models)
        paths = report.write(measured, verdicts.build(measured), plots.draw(measured, tmp_path), tmp_path)
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.get(next(path for path in paths if path.suffix == ".html").as_uri())
        return browser

    yield open_page
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


@pytest.mark.parametrize("width", [360, 390, 430])
def test_all_verdicts_are_seen_on_a_phone(opened: Callable[..., Any], width: int) -> None:
    """Prevents: a model whose verdicts nobody scrolls to."""
    (seen, whole), *_ = opened(synthetic.MODELS, width).execute_script(WIDE)
    assert seen == whole


@pytest.mark.parametrize("width", [390, 1200])
def test_the_page_itself_does_not_scroll_sideways(opened: Callable[..., Any], width: int) -> None:
    """Prevents: text that is as wide as the widest table."""
    page = opened((*synthetic.MODELS, "transformer-encoder", "scan"), width)
    assert page.execute_script("return document.documentElement.scrollWidth") <= width


def test_all_figures_are_seen_on_a_screen(opened: Callable[..., Any]) -> None:
    """Prevents: baselines that are cut off beside four models."""
    widths = opened(synthetic.MODELS, 1200).execute_script(WIDE)
    assert len(widths) == 6  # the verdicts, and a table for each aspect
    assert all(seen == whole for seen, whole in widths)


def test_definitions_are_shown_on_request_and_on_paper(opened: Callable[..., Any]) -> None:
    """Prevents: a printed page that does not say how anything was measured."""
    page = opened(synthetic.MODELS, 1200)
    assert not any(page.execute_script(DEFINITIONS))
    page.find_element("css selector", "summary").click()
    assert any(page.execute_script(DEFINITIONS))
    page.refresh()
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert all(page.execute_script(DEFINITIONS))
    assert base64.b64decode(page.print_page()).startswith(b"%PDF")
