"""The page of a report as a person uses it, in a real browser."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import tsforge

pytestmark = pytest.mark.xdist_group("ui")

LABELS = "return [...document.querySelectorAll('#chart svg text')].map(t => t.textContent)"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    days, out = pd.date_range("2024-01-01", periods=60, freq="D"), tmp_path_factory.mktemp("r") / "r.html"
    waves = {
        name: size * (10 + np.sin(np.arange(60))) for name, size in (("a", 1.0), ("b", 100.0), ("long " * 40, 1.0))
    }
    parts = [pd.DataFrame({"shop": name, "day": days, "sold": values}) for name, values in waves.items()]
    tsforge.fit(pd.concat(parts), horizon=7, model="naive").report(out)
    return out.as_uri()


def test_series_are_chosen_and_looked_at_closely(browser: Any, page: str) -> None:
    """Prevents: a picture that stays at one series; a zoom that shows other dates; a tip with other numbers."""
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.support.select import Select

    browser.get(page)
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    assert "10" in browser.execute_script(LABELS)
    Select(browser.find_element("id", "which")).select_by_visible_text("b")
    labels = browser.execute_script(LABELS)
    assert "1000" in labels
    assert "2024-01-01" in labels
    chart = browser.find_element("id", "chart")
    ActionChains(browser).move_to_element(chart).click_and_hold().move_by_offset(200, 0).release().perform()
    assert "2024-01-01" not in browser.execute_script(LABELS)
    assert "observed" in browser.find_element("id", "tip").text or "forecast" in browser.find_element("id", "tip").text
    browser.find_element("id", "all").click()
    assert "2024-01-01" in browser.execute_script(LABELS)
    chart.send_keys("+")
    assert "2024-01-01" not in browser.execute_script(LABELS)
    chart.send_keys("--")
    assert "2024-01-01" in browser.execute_script(LABELS)
    assert "sold" in browser.execute_script(LABELS)
    browser.find_element("css selector", "summary").click()
    rows = browser.find_elements("css selector", "#numbers tbody tr")
    assert [row.text.split()[0] for row in rows] == [f"2024-03-0{k}" for k in range(1, 8)]


def test_it_fits_a_phone(browser: Any, page: str) -> None:
    """Prevents: a page as wide as the longest name of a series."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    )
    try:
        browser.get(page)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
