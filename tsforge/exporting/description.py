"""What an exported model takes and gives, in words and as JSON: enough to feed it without tsforge.

The same text is a file beside the model and lies inside it: in the metadata of ONNX as `tsforge`, in a .pt2 as the
extra file `tsforge.json`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from tsforge.exporting import columns
from tsforge.exporting.windows import Arrays
from tsforge.fitted.model import DataFacts, Model
from tsforge.version import __version__

FORMAT = 1
MEANING = {
    "target": "the values of the target columns, the newest step last, in the units of the table; where not observed "
    "any number",
    "observed": "which of them were observed; false for steps before the series begins too",
    "series": "the place of the series in `series` below, from 0; -1 for one that is not there",
    "past": "covariates known up to now, of the same steps",
    "known": "covariates known in advance, holidays and events, and the calendar, of the steps of the context and then "
    "of those to forecast",
    "static": "what is known of the series",
    "ordinal": "the place on the time grid of the first step of the context, see `time`",
    "point": "the forecast, in the units of the table",
    "quantiles": "at `levels`, ascending, in the units of the table",
}
CODING = {
    "number": "the number of the table as it is, without scaling; NaN where it is missing, and for steps before the "
    "series begins",
    "category": "1 where the column has the text `category`, else 0; 0 throughout for a text that has no column here",
    "on": "how many days of the step are days of the occasion, see `occasions`: 0 or 1 where a step is a day or less; "
    "NaN for steps before the series begins",
    "before, after": "1 - d / (w + 1), where the next (before) or the last (after) day of the occasion is d days away, "
    "at most w, and this is none; else 0; of steps longer than a day: `on` of the next step, or of the last one",
    "sin, cos": "sin or cos of 2 pi * harmonic * phase, of the step's local time: phase of a day: seconds since "
    "midnight / 86400; of a week: (days since Monday + phase of the day) / 7; of a year: (days since the first of "
    "January + phase of the day) / 365.2425; 0 for steps before the series begins",
}


def describe(model: Model, levels: Sequence[float], inputs: Arrays) -> dict[str, Any]:
    """A JSON object. inputs: an example, whose sizes and types are those of the model."""
    facts, shape = model.facts, model.shape
    sizes = {"point": [shape.horizon, shape.targets], "quantiles": [shape.horizon, shape.targets, len(levels)]}
    kind = inputs["target"].dtype.name
    described: dict[str, Any] = {
        "format": FORMAT, "tsforge": __version__, "model": model.experiment.model.kind,
        "context": shape.context, "horizon": shape.horizon, "targets": list(facts.columns.target),
        "levels": list(levels), "time": _time(facts),
        "inputs": {name: _tensor(name, list(array.shape[1:]), array.dtype.name) for name, array in inputs.items()},
        "outputs": {name: _tensor(name, size, kind) for name, size in sizes.items() if name == "point" or levels},
    }  # fmt: skip
    groups = {
        "past": columns.of(facts.encodings.past), "known": columns.known(facts),
        "static": columns.of(facts.encodings.static),
    }  # fmt: skip
    for name, group in groups.items():
        if name in inputs:
            described["inputs"][name]["columns"] = [column.plain() for column in group]
    if any(name in inputs for name in groups):
        described["coding"] = CODING
    if facts.encodings.occasions:
        described["occasions"] = [occasion.model_dump(mode="json") for occasion in facts.encodings.occasions]
    if "series" in inputs:
        described["id"] = list(facts.columns.id)
        described["series"] = [key.split("\x1f") for key in facts.negative]
    return described


def text(described: dict[str, Any]) -> str:
    """As it is written."""
    return json.dumps(described, indent=1, ensure_ascii=False) + "\n"


def _tensor(name: str, size: list[int], kind: str) -> dict[str, Any]:
    return {"shape": ["batch", *size], "type": kind, "meaning": MEANING[name]}


def _time(facts: DataFacts) -> dict[str, Any]:
    """The grid of the steps: one step of it, and where it is anchored."""
    from tsforge.data.table.times import show_time

    schema = facts.columns
    place = max(facts.seen.values(), default=0)
    stamp = schema.frequency.stamps(np.array([place]))[0]
    found: dict[str, Any] = {"columns": list(schema.time_columns), "step": schema.frequency.name}
    if schema.timezone is not None:
        found["timezone"] = schema.timezone
    if schema.ending:
        apart = f"{schema.ending / 1e6:g} seconds"
        found["written"] = f"the table writes the end of a step; its local time is that of its begin, {apart} before"
    return found | {"grid": {"time": show_time(stamp, schema), "ordinal": place, "meaning": "each step adds 1"}}
