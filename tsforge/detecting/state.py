"""What a detection remembers, so that the next one goes on where it ended: plain values, for a JSON file.

Rows are kept as positions on the time grid, as the next table may begin elsewhere.
"""

from __future__ import annotations

import hashlib
from typing import Any

import torch

from tsforge.data.panel import Panel
from tsforge.detecting.history import History
from tsforge.detecting.lane import Lane, Run
from tsforge.detecting.tail import Tail
from tsforge.errors import ConfigError
from tsforge.evaluation.conformal import Calibration
from tsforge.fitted.model import Model

FORMAT = 1
_HINT = "leave the state out, or name another file for it: then the detection begins anew"


def fingerprint(model: Model) -> str:
    """16 hexadecimal digits that stand for a model's weights and corrections."""
    content = hashlib.sha256((model.calibration.model_dump_json() if model.calibration else "").encode())
    for name, tensor in model.network.state_dict().items():
        content.update(name.encode())
        content.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return content.hexdigest()[:16]


def kept(lanes: list[Lane], panel: Panel, model: Model) -> dict[str, Any]:
    """The state behind all rows that were judged."""
    series = {panel.key(lane.series): _plain(lane, panel, model.shape.context) for lane in lanes}
    return {"format": FORMAT, "model": fingerprint(model), "series": series}


def check(state: dict[str, Any], model: Model) -> None:
    """Raises ConfigError for a state that is none, or of another model."""
    if state.get("format") != FORMAT or not isinstance(state.get("series"), dict):
        raise ConfigError("the state is not that of a detection", _HINT)
    if state.get("model") != fingerprint(model):
        raise ConfigError("the state is of another model, or of this one before it was fitted again", _HINT)


def _plain(lane: Lane, panel: Panel, context: int) -> dict[str, Any]:
    shift = int(panel.first[lane.series] - panel.offsets[lane.series])
    oldest = lane.next - context  # what lies before it, no forecast looks at any more
    return {
        "next": lane.next + shift, "judge": lane.judge + shift, "learned": lane.learned,
        "widening": lane.calibration.widening, "tails": [list(tail.recent) for tail in lane.tails],
        "runs": [vars(run) | {"rows": [row + shift for row in run.rows]} for run in lane.runs],
        "replaced": [[row + shift, target, value] for row, target, value in lane.replaced if row >= oldest],
        "shifts": [[a + shift, b + shift, target, by] for a, b, target, by in lane.shifts if b > oldest],
    }  # fmt: skip


def revived(i: int, values: dict[str, Any], history: History, calibration: Calibration) -> Lane:
    """The lane of series i as it was, with its past changed as it had been. calibration: of the first step."""
    panel = history.panel
    first, end = int(panel.offsets[i]), int(panel.ends[i])
    back = first - int(panel.first[i])
    runs = [Run(**run | {"rows": [row + back for row in run["rows"] if row + back >= first]}) for run in values["runs"]]
    lane = Lane(
        i, min(max(values["next"] + back, first + 1), end), end, max(values["judge"] + back, first),
        calibration.model_copy(update={"widening": _tuples(values["widening"])}),
        [Tail(scores) for scores in values["tails"]], runs, learned=values["learned"],
    )  # fmt: skip
    for a, b, target, by in values["shifts"]:
        begin, stop = max(a + back, first), b + back
        if stop > begin:
            history.shift(i, begin, stop, target, by)
            lane.shifts.append((begin, stop, target, by))
    for row, target, value in values["replaced"]:
        if first <= row + back < end:
            history.replace(i, row + back, target, value)
            lane.replaced.append((row + back, target, value))
    return lane


def _tuples(values: Any) -> Any:
    return tuple(map(_tuples, values)) if isinstance(values, list | tuple) else float(values)
