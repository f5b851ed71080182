"""Plans whose trials take a fraction of a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.helpers.plans import SMALL, Make, resolved
from tests.helpers.tables import hourly
from tsforge.sweeping.config import Plan, plan


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """make(space, settings, trials=..., ...) -> a plan over a table in the test's folder, its data resolved."""

    def small(ranges: dict[str, Any] | None = None, settings: dict[str, Any] | None = None, **sweep: Any) -> Plan:
        path = tmp_path / "data.csv"
        if not path.exists():
            hourly().to_csv(path, index=False)
        quick = {
            "data.path": str(path), "data.horizon": 6, "data.context": 24, "train.max_steps": 8, "train.batch_size": 16,
        }  # fmt: skip
        if "models" not in sweep:
            quick["model.kind"] = "lstm"
        draft = plan(quick | (settings or {}), None, sweep, list((SMALL | (ranges or {})).items()))
        bases = {kind: resolved(base) for kind, base in draft.bases.items()}
        return Plan(bases=bases, space=draft.space, sweep=draft.sweep)

    return small
