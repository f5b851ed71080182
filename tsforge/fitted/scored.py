"""The scores that a fit wrote beside its model: for titles of pictures, which people read. Nothing depends on them."""

from __future__ import annotations

import json
from pathlib import Path

FILE = "scores.json"


def scores(folder: object, kind: str) -> dict[str, float]:
    """Metrics of the held-out windows by name, of the model of a kind; empty where there are none.

    folder: a model directory; whatever else stands for a model has no scores here.
    """
    if not isinstance(folder, str | Path):
        return {}
    try:
        values = json.loads((Path(folder) / FILE).read_text(encoding="utf-8"))[kind]
        return {str(name): float(value) for name, value in values.items() if value is not None}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
