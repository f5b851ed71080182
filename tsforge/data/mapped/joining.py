"""The pieces of a large table joined to one panel: one vocabulary of categories, one precision, one grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tsforge.data.mapped import pieces, store
from tsforge.data.mapped.inputs import Input
from tsforge.data.mapped.pieces import Made
from tsforge.data.panel import Floats, Ints, Panel
from tsforge.data.panel import tell as tell_of_panel
from tsforge.data.schema import DataConfig, Schema
from tsforge.data.table.alive import Omitted, nothing_observed
from tsforge.errors import DataError
from tsforge.runtime import progress


def about(table: Input, made: Sequence[Made], config: DataConfig) -> dict[str, Any]:
    """What is kept with a panel of its pieces: what was said of them, and what is not in it.

    Raises DataError where no target is observed, and where more than half of the grid is empty.
    """
    name, facts = str(table.source), [m.facts for m in made]
    if not any(f["series"] for f in facts):
        raise nothing_observed(name)
    rows, steps = sum(f["rows"] for f in facts), sum(f["steps"] for f in facts)
    empty = steps - (rows - sum(len(f["keys"]) for f in facts))
    if empty > rows and config.freq is None:
        hint = "fix the times if they are wrong; pass data.freq if there are such gaps"
        raise DataError(f"{name}: {empty:,} of {rows + empty:,} steps have no row", hint)
    return {
        "said": [[f["files"][1][0], f["said"]] for f in facts], "dense": steps <= 2 * rows,
        "empty": [label for f in facts for label in f["empty"]], "late": sum(f["late"] for f in facts),
        "late_series": [label for f in facts for label in f["late_series"]],
    }  # fmt: skip


def tell(panel: Panel, about: dict[str, Any]) -> None:
    """The warnings that `panel.build` gives of a table."""
    tell_of_panel(panel, Omitted(tuple(about["empty"]), about["late"], tuple(about["late_series"])))


def join(table: Input, made: Sequence[Made], schema: Schema, folder: Path, about: dict[str, Any]) -> None:
    """Write the panel of all pieces to a folder."""
    some = [m for m in made if m.folder is not None]
    parts = [store.read(m.folder) for m in some if m.folder is not None]
    kept = [store.about(m.folder)["label_rows"] for m in some if m.folder is not None]
    labels = _labels(parts)
    rows = {name: _first_rows(name, texts, parts, kept) for name, texts in labels.items()}
    exact = {group: pieces.settled(some, group) for group in ("values", "past", "future", "static")}
    begins = np.r_[0, np.cumsum([len(p.values) for p in parts])]

    def nothing(name: str) -> Floats:
        return np.zeros((0, getattr(parts[0], name).shape[1]), exact[name])

    lengths = np.concatenate([np.diff(p.offsets) for p in parts])
    whole = Panel(
        schema=schema.model_copy(update={"dense": about["dense"]}), name=str(table.source), values=nothing("values"),
        observed=np.zeros((0, parts[0].observed.shape[1]), np.bool_), past=nothing("past"), future=nothing("future"),
        static=np.concatenate([_coded(p, "static", labels) for p in parts]).astype(exact["static"]),
        offsets=np.r_[0, np.cumsum(lengths)].astype(np.int64),
        first=_joined(parts, "first"), phase=_joined(parts, "phase"),
        ends=np.concatenate([p.ends + begin for p, begin in zip(parts, begins, strict=False)]),
        ids=tuple(np.concatenate(columns) for columns in zip(*(p.ids for p in parts), strict=True)),
        labels=labels, label_rows=rows,
    )  # fmt: skip
    done = [0]

    def then(count: int) -> None:
        done[0] += count
        progress.tell("joining", done[0], int(begins[-1]))

    store.write(folder, _recoded(parts, labels), whole, about, then)


def _joined(parts: Sequence[Panel], name: str) -> Ints:
    return np.concatenate([getattr(part, name) for part in parts])


def _labels(parts: Sequence[Panel]) -> dict[str, tuple[str, ...]]:
    """The categories of each covariate, of all parts, sorted; covariates in the order of the schema."""
    schema = parts[0].schema
    names = [column.name for column in (*schema.past, *schema.future, *schema.static)]
    texts = {name: {text for part in parts for text in part.labels.get(name, ())} for name in names}
    return {name: tuple(sorted(found)) for name, found in texts.items() if found}


def _first_rows(name: str, texts: tuple[str, ...], parts: Sequence[Panel], kept: Sequence[dict[str, Any]]) -> Ints:
    """The row in all files in which each category first stands."""
    first: dict[str, int] = {}
    for part, rows in zip(parts, kept, strict=True):
        for text, row in zip(part.labels.get(name, ()), rows.get(name, ()), strict=True):
            first[text] = min(row, first.get(text, row))
    return np.array([first[text] for text in texts], dtype=np.int64)


def _recoded(parts: Sequence[Panel], labels: dict[str, tuple[str, ...]]) -> Iterator[Panel]:
    """Parts whose categories are codes into the labels of all."""
    for part in parts:
        yield replace(part, past=_coded(part, "past", labels), future=_coded(part, "future", labels))


def _coded(part: Panel, group: str, labels: dict[str, tuple[str, ...]]) -> Floats:
    """The covariates of a part with codes into the labels of all."""
    values: Floats = np.array(getattr(part, group))
    for j, covariate in enumerate(getattr(part.schema, group)):
        if covariate.kind == "category" and covariate.name in part.labels:
            place = {text: i for i, text in enumerate(labels[covariate.name])}
            codes = np.array([place[text] for text in part.labels[covariate.name]] + [np.nan])
            own = values[:, j]
            values[:, j] = codes[np.where(np.isnan(own), len(codes) - 1, own).astype(np.int64)]
    return values
