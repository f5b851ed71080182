"""The pages on Python run as they stand."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.helpers.stores import ROOT
from tsforge.runtime import plugins


def _run(name: str) -> dict[str, object]:
    """The blocks of a page, one after the other, as a reader would type them; what is a file is written. Its names."""
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", page, re.S):
        if file := re.match(r"# (\w+\.py)\n", block):
            Path(file[1]).write_text(block)
        else:
            exec(block, names)
    return names


@pytest.mark.usefixtures("forked", "store_at_home")
def test_blocks_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The figures of a network are left small."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    _run("python.md")
    assert Path("held-out.png").stat().st_size > 10_000
    assert Path("forecast.png").stat().st_size > 10_000


def test_a_network_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(plugins, "_added", {kind: {} for kind in plugins.GROUPS})
    monkeypatch.setattr(plugins, "_checked", {})
    monkeypatch.setenv("TSFORGE_REGISTERED", "{}")
    fitted = _run("extending.md")["fitted"]
    assert "<convolution on passengers: 1 series, horizon 12" in repr(fitted)
    sys.modules.pop("mine", None)
