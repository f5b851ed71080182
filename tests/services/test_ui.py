"""What a person sees in MLflow's UI: read from the pages of a real `tsforge ui` in a real browser."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest

from tests.helpers.server import alone, environment, free_port
from tsforge.plotting.style import COLOURS
from tsforge.settings import build
from tsforge.tracking import preset, recording, registry, runs, store, view
from tsforge.tracking.recording import RunOptions
from tsforge.tracking.runs import Recorded
from tsforge.tracking.tracker import Tracker
from tsforge.training import fitting

pytestmark = pytest.mark.xdist_group("ui")

KINDS = ("rnn", "lstm", "transformer")
PATIENCE = 120  # seconds for a page: generous, as machines that run tests are slow
CLOSE = "button[aria-label='Close']"
CHARTS = ("val/loss", "test/mase", "test/skill", "test/coverage_80", "test/mae_by_step", "speed/fit_s")
# Columns whose whole header is in sight: neither pinned nor cut by the right edge of the table; from the left.
IN_SIGHT = """
const edge = document.querySelector('.ag-center-cols-viewport').getBoundingClientRect();
return [...document.querySelectorAll('.ag-header-viewport .ag-header-cell[col-id]')]
  .map(cell => [cell.getBoundingClientRect(), cell.getAttribute('col-id')])
  .filter(([place, _]) => place.right <= edge.right + 1).sort((a, b) => a[0].left - b[0].left).map(([_, name]) => name);
"""
# Cells by row and column of the grid, whose left part is pinned and therefore another table.
CELLS = """
const rows = {};
for (const row of document.querySelectorAll('[role=row][row-index]')) {
  const index = row.getAttribute('row-index');
  rows[index] = rows[index] || {};
  for (const cell of row.querySelectorAll('[role=gridcell][col-id]'))
    rows[index][cell.getAttribute('col-id')] = cell.innerText;
}
return Object.values(rows);
"""

# Metrics of the compare page, of which only those in sight exist: names and values in two grids.
SCORES = """
const done = arguments[arguments.length - 1];
const label = [...document.querySelectorAll('a')].find(a => a.title === 'Plot chart' && a.innerText.includes('/'));
const box = label.closest('.ReactVirtualized__Grid').parentElement.parentElement;
const [names, values] = box.querySelectorAll('.ReactVirtualized__Grid');
const rows = {};
const look = () => {
  const at = {};
  for (const cell of names.firstChild.children) at[cell.style.top] = cell.innerText;
  for (const cell of values.firstChild.children)
    if (at[cell.style.top]) (rows[at[cell.style.top]] ||= {})[cell.style.left] = cell.innerText;
  if (values.scrollTop + values.clientHeight >= values.scrollHeight - 1) { done(rows); return; }
  values.scrollTop += values.clientHeight / 2;
  setTimeout(look, 300);
};
look();
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fits of different architectures, and a comparison with a training, recorded in a folder of their own."""
    place = tmp_path_factory.mktemp("ui")
    rng = np.random.default_rng(5)
    hours = np.arange(600)
    load = 20 + 5 * np.sin(hours * 2 * np.pi / 24) + rng.normal(0, 1, 600)
    times = pd.date_range("2025-01-01", periods=600, freq="h")
    pd.DataFrame({"time": times, "load": load}).to_csv(place / "load.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        with Tracker() as tracker:
            for i, kind in enumerate(KINDS):
                settings = {"model.kind": kind, "model.width": 8, "data.horizon": 12, "train.max_steps": 5 + i}
                experiment = build(settings)
                dataset = fitting.prepare(experiment, "load.csv")
                options = RunOptions(f"tsforge fit load.csv --model {kind}")
                recording.fit(experiment, dataset, Path(f"models/{kind}"), tracker, options=options)
            kinds = (recording.tags("comparison", RunOptions()), recording.tags("fit", RunOptions(), "lstm"))
            with tracker.run("several", {}, kinds[0]) as above, tracker.run("lstm-seed1", {}, kinds[1], above):
                pass
    return place


@pytest.fixture(scope="module")
def fits(folder: Path) -> list[Recorded]:
    """Those that stand for themselves, the best first."""
    listed = runs.listing(store.reading(f"sqlite:///{folder / 'mlflow.db'}"), "tsforge")
    assert len(listed) == len(KINDS) + 2
    return [run for run in listed if run.params]


@pytest.fixture(scope="module")
def page(folder: Path) -> Iterator[str]:
    """The address that `tsforge ui` prints, while it runs."""
    command = [sys.executable, "-m", "tsforge", "ui", "--no-browser", "--port", str(free_port())]
    process = subprocess.Popen(command, cwd=folder, env=environment(), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def wait(browser: Any, ready: Callable[[Any], Any]) -> Any:
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, PATIENCE).until(ready)


def keep(browser: Any, name: str, tmp_path: Path) -> None:
    """A picture of the page, without what covers it; where TSFORGE_SCREENSHOTS says, to be looked at."""
    for button in browser.find_elements("css selector", "button[aria-label='Close']"):
        button.click()
    place = Path(os.environ.get("TSFORGE_SCREENSHOTS", tmp_path))
    assert browser.save_screenshot(str(place / f"{name}.png"))
    assert (place / f"{name}.png").stat().st_size > 10_000


def test_it_listens_on_this_machine_alone(page: str) -> None:
    """Prevents: runs and models open to the network, without a password."""
    assert alone(urlsplit(page).port or 0)


def test_it_opens_with_fits_alone_in_columns_that_are_all_in_sight(
    browser: Any, page: str, fits: list[Recorded], tmp_path: Path
) -> None:
    """A person who follows the link sees what was fitted, the best first, and why nothing else is there."""
    browser.set_window_size(1400, 900)
    browser.get(page)
    wait(browser, lambda b: len(b.execute_script(CELLS)) == len(KINDS) and b.find_elements("css selector", CLOSE))
    browser.find_element("css selector", CLOSE).click()  # of MLflow's assistant, which opens at the first visit
    first = [name for name, _ in preset.FIRST]
    wait(browser, lambda b: all(first[-1] in row for row in b.execute_script(CELLS)))
    rows = browser.execute_script(CELLS)
    assert [row[preset.NAME].split()[-1] for row in rows] == [run.name for run in fits]  # by test/mase, smallest first
    for row, run in zip(rows, fits, strict=True):
        assert COLOURS[run.params["model.kind"]] in row[preset.NAME]
        assert row[preset.DATASET].split()[0] == "load.csv"
        for column in first:
            group, _, name = column.replace("`", "").partition(".")
            if group == "params":
                assert row[column] == run.params[name]
            if group == "metrics":
                assert float(row[column]) == pytest.approx(run.metrics[name], rel=1e-4)
    assert browser.find_element("css selector", "input[value*='tsforge.kind']").get_property("value") == preset.FITS
    assert browser.execute_script(IN_SIGHT) == first
    keep(browser, "runs", tmp_path)


def test_two_clicks_compare_them(browser: Any, page: str, fits: list[Recorded], tmp_path: Path) -> None:
    """All runs, then Compare: their names, settings and scores side by side."""
    browser.get("about:blank")  # a new fragment alone would not load the page
    browser.get(page)
    wait(browser, lambda b: len(b.execute_script(CELLS)) == len(KINDS))
    browser.find_element("css selector", "[role=columnheader] input[type=checkbox]").click()
    compare = "//button[normalize-space()='Compare']"
    wait(browser, lambda b: b.find_elements("xpath", compare))[0].click()
    wait(browser, lambda b: "compare-runs" in b.current_url)
    text = wait(browser, lambda b: t if "train.max_steps" in (t := b.find_element("tag name", "body").text) else None)
    assert all(run.name in text for run in fits)
    keep(browser, "compared", tmp_path)


def test_its_charts_are_few_and_chosen(browser: Any, page: str, fits: list[Recorded], tmp_path: Path) -> None:
    """One click shows curves and scores of all fits; everything else is folded below them."""
    browser.set_window_size(1400, 1500)  # charts out of sight are not drawn
    browser.get("about:blank")
    browser.get(page)
    wait(browser, lambda b: len(b.execute_script(CELLS)) == len(KINDS))
    browser.execute_script("document.querySelector('input[value=CHART]').click()")
    wait(browser, lambda b: len(b.find_elements("css selector", ".js-plotly-plot")) >= 6)
    text = browser.find_element("tag name", "body").text
    assert [line for line in text.splitlines() if line in CHARTS] == list(CHARTS)
    assert fits[0].name in text
    height = browser.execute_script(
        "return Math.max(...[...document.querySelectorAll('div')].map(e => e.scrollHeight))"
    )
    assert height < 1600
    keep(browser, "charts", tmp_path)


def test_a_registered_version_says_what_it_is(browser: Any, page: str, folder: Path, fits: list[Recorded]) -> None:
    """Its page has the scores, the columns that it reads, and the signature."""
    client = store.reading(f"sqlite:///{folder / 'mlflow.db'}")
    registry.register_run(client, fits[0].id, "demand", "champion")
    browser.get("about:blank")
    browser.get(f"{page.partition('/#/')[0]}/#/models/demand/versions/1")
    text = wait(browser, lambda b: t if "Outputs" in (t := b.find_element("tag name", "body").text) else None)
    for part in (fits[0].name, "12 steps ahead", "target load", "against seasonal naive", "tsforge fit load.csv"):
        assert part in text
    assert re.search(r"Outputs \([1-9]", text)
    assert client.get_logged_model(client.get_run(fits[0].id).outputs.model_outputs[0].model_id).name == fits[0].name


def test_the_compare_page_shows_what_differs(browser: Any, page: str, fits: list[Recorded], tmp_path: Path) -> None:
    """The link that `tsforge runs compare` prints opens the runs side by side."""
    browser.set_window_size(2400, 900)
    root = page.partition("/#/")[0]
    link = view.compare_link(root, [fits[0].experiment], [run.id for run in fits])
    browser.get("about:blank")
    browser.get(link)
    text = wait(browser, lambda b: t if "train.max_steps" in (t := b.find_element("tag name", "body").text) else None)
    wait(browser, lambda b: b.find_elements("css selector", ".ReactVirtualized__Grid"))
    for run in fits:
        assert run.name in text
    rows = {
        cells[0].text: [cell.text for cell in cells[1:]]
        for row in browser.find_elements("css selector", "tr")
        if len(cells := row.find_elements("css selector", "th, td")) == len(fits) + 1
    }
    assert sorted(rows["model.kind"]) == sorted(KINDS)
    assert rows["train.max_steps"] == [run.params["train.max_steps"] for run in fits]
    browser.set_script_timeout(PATIENCE)
    metrics = browser.execute_async_script(SCORES)
    for name in CHARTS[1:4]:
        cells = sorted(metrics[name].items(), key=lambda cell: float(cell[0].removesuffix("px")))  # by column
        shown = [float(value) for _, value in cells]
        assert shown == pytest.approx([run.metrics[name] for run in fits], rel=1e-3, abs=6e-4)  # as rounded there
    keep(browser, "compare", tmp_path)


def test_the_page_of_a_run_shows_the_result_and_the_command(
    browser: Any, page: str, fits: list[Recorded], tmp_path: Path
) -> None:
    """The note, the data set and the model stand on the run's own page."""
    run = fits[0]
    browser.get("about:blank")
    browser.get(view.run_link(page.partition("/#/")[0], run.experiment, run.id))
    text = wait(
        browser, lambda b: t if "tsforge fit load.csv" in (t := b.find_element("tag name", "body").text) else ""
    )
    assert "against seasonal naive" in text
    assert "load.csv" in text
    keep(browser, "run", tmp_path)
