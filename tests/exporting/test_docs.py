"""The lines of docs/export.md run as they stand, and give what predict gives."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tsforge
from tsforge.cli.main import run

ROOT = Path(__file__).resolve().parents[2]


def test_the_lines_for_onnx_runtime_and_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: an example that a reader copies and that does not run, or answers otherwise."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "datasets" / "electricity-demand.csv", "data.csv")
    settings = {"data.target": "demand", "data.horizon": 48, "model.kind": "nlinear", "train.max_steps": 3}
    tsforge.fit(tsforge.build(settings), "data.csv", out="models/demand")
    for ending in ("onnx", "pt2"):
        assert run(["export", "models/demand", "--output", f"demand.{ending}", "--quiet"]) == 0
    expected = tsforge.predict("models/demand", "data.csv")
    named: dict[str, Any] = {}
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/export.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    for block in blocks:
        exec(compile(block, "docs/export.md", "exec"), named)
        for name in ("point", "quantiles"):
            found, own = np.asarray(named[name]), getattr(expected, name)
            assert np.abs(found - own).max() <= 1e-5 * np.abs(own).max(), name
    assert len(blocks) == 2
