"""The page on Python runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.helpers.stores import ROOT


@pytest.mark.usefixtures("forked", "store_at_home")
def test_blocks_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other, as a reader would type them; the figures of a network are left small."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.S)
    assert len(blocks) >= 5
    names: dict[str, object] = {}
    for block in blocks:
        exec(block, names)
    assert Path("held-out.png").stat().st_size > 10_000
    assert Path("forecast.png").stat().st_size > 10_000
