"""Long tables with the column names of other libraries need no flag."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.helpers.tables import lay

NIXTLA, AUTOGLUON = ("unique_id", "ds", "y"), ("item_id", "timestamp", "target")


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("names", [NIXTLA, AUTOGLUON], ids="-".join)
@pytest.mark.parametrize("codes", [["a", "b", "c"], [1, 2, 3]], ids=["texts", "numbers"])
@pytest.mark.parametrize("freq", ["D", "MS", None], ids=str)
def test_they_say_what_they_are(
    names: tuple[str, str, str], codes: list[object], freq: str | None, *, turned: bool
) -> None:
    """Prevents: ids that are whole numbers read as a target, or steps that are whole numbers as ids."""
    id_, time, target = names
    times = pd.date_range("2020-01-01", periods=40, freq=freq) if freq else np.arange(1, 41)
    values = np.random.default_rng(0).normal(size=(len(codes), 40))
    parts = [pd.DataFrame({id_: code, time: times, target: own}) for code, own in zip(codes, values, strict=True)]
    schema = lay(pd.concat(parts)[list(names[::-1] if turned else names)]).schema
    assert (schema.id, schema.time_columns, schema.target) == ((id_,), (time,), (target,))
