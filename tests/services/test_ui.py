"""What a person sees in MLflow's UI: read from the pages of a real `tsforge ui` in a real browser."""

from __future__ import annotations

import os
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
from tsforge.tracking import recording, runs, store, view
from tsforge.tracking.recording import RunOptions
from tsforge.tracking.runs import Recorded
from tsforge.tracking.tracker import Tracker
from tsforge.training import fitting

pytestmark = pytest.mark.xdist_group("ui")

KINDS = ("rnn", "lstm", "gru", "transformer")
PATIENCE = 120  # seconds for a page: generous, as machines that run tests are slow
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
    """Four fits of different architectures, recorded in a folder of their own."""
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
    return place


@pytest.fixture(scope="module")
def recorded(folder: Path) -> list[Recorded]:
    return runs.listing(store.reading(f"sqlite:///{folder / 'mlflow.db'}"), "tsforge")


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


def test_the_runs_page_shows_four_fits_in_our_columns_and_order(
    browser: Any, page: str, recorded: list[Recorded], tmp_path: Path
) -> None:
    """A person who follows the link sees what was fitted, the best first, without setting up anything."""
    browser.get(page)
    cells = wait(browser, lambda b: found if len(found := b.execute_script(CELLS)) == len(KINDS) else None)
    wait(browser, lambda b: any("params.`seed`" in row for row in b.execute_script(CELLS)))
    cells = browser.execute_script(CELLS)
    names = [row["attributes.`Run Name`"].split()[-1] for row in cells]
    assert names == [run.name for run in recorded]  # by test/mase, the smallest first
    assert {run.params["model.kind"] for run in recorded} == set(KINDS)
    for row, run in zip(cells, recorded, strict=True):
        for name in view.PARAMS:
            assert row[f"params.`{name}`"] == run.params[name]
        for name in view.METRICS:
            assert float(row[f"metrics.`{name}`"]) == pytest.approx(run.metrics[name], rel=1e-4)
        assert COLOURS[run.params["model.kind"]] in row["attributes.`Run Name`"]
    keep(browser, "runs", tmp_path)


def test_the_compare_page_shows_what_differs(browser: Any, page: str, recorded: list[Recorded], tmp_path: Path) -> None:
    """The link that `tsforge runs compare` prints opens the runs side by side."""
    root = page.partition("/#/")[0]
    link = view.compare_link(root, [recorded[0].experiment], [run.id for run in recorded])
    browser.get("about:blank")  # a new fragment alone would not load the page
    browser.get(link)
    text = wait(browser, lambda b: t if "train.max_steps" in (t := b.find_element("tag name", "body").text) else None)
    wait(browser, lambda b: b.find_elements("css selector", ".ReactVirtualized__Grid"))
    for run in recorded:
        assert run.name in text
    rows = {
        cells[0].text: [cell.text for cell in cells[1:]]
        for row in browser.find_elements("css selector", "tr")
        if len(cells := row.find_elements("css selector", "th, td")) == len(recorded) + 1
    }
    assert sorted(rows["model.kind"]) == sorted(KINDS)
    assert rows["train.max_steps"] == [run.params["train.max_steps"] for run in recorded]
    browser.set_script_timeout(PATIENCE)
    metrics = browser.execute_async_script(SCORES)
    for name in view.METRICS:
        cells = sorted(metrics[name].items(), key=lambda cell: float(cell[0].removesuffix("px")))  # by column
        shown = [float(value) for _, value in cells]
        assert shown == pytest.approx([run.metrics[name] for run in recorded], rel=1e-3, abs=6e-4)  # as rounded there
    keep(browser, "compare", tmp_path)


def test_the_page_of_a_run_shows_the_result_and_the_command(
    browser: Any, page: str, recorded: list[Recorded], tmp_path: Path
) -> None:
    """The note, the data set and the model stand on the run's own page."""
    run = recorded[0]
    browser.get("about:blank")
    browser.get(view.run_link(page.partition("/#/")[0], run.experiment, run.id))
    text = wait(
        browser, lambda b: t if "tsforge fit load.csv" in (t := b.find_element("tag name", "body").text) else ""
    )
    assert "against seasonal naive" in text
    assert "load.csv" in text
    keep(browser, "run", tmp_path)
