"""A quick part of `make torture`: some mutations of tables and models, and kills while a model is saved."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random
from types import ModuleType

import pytest

import tsforge
from tests.helpers.tables import walk
from tests.torture import models, pool, tables
from tsforge.fitted import directory

CASES, KILLS = 250, 25


@pytest.fixture
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("module", [tables, models])
def test_mutations_end_in_an_error_of_ours_or_well(module: ModuleType, tmp_path: Path) -> None:
    """Tracebacks of zlib, pandas, torch or pydantic for what a user or an attacker wrote."""
    attack = partial(module.attack, 7)
    ends = []
    for case in range(CASES):
        folder = tmp_path / str(case)
        folder.mkdir()
        end, text = pool.outcome(attack, case, folder)
        assert text is None, f"case {case}:\n{text}"
        ends.append(end)
    assert {"read", "forecast"} & set(ends)
    assert {"DataError", "ModelError"} & set(ends)


def test_the_pool_tells_what_failed() -> None:
    """Failures that are not counted: what raises, what dies, and what never ends the others."""
    tally = pool.run(_attack, 40, processes=2)
    assert tally.ends == {"well": 36, "ModelError": 1, "failed": 3}
    assert sorted(case for case, _ in tally.failures) == [5, 11, 17]
    assert "ended with 9" in dict(tally.failures)[17].replace("-9", "9")


def _attack(case: int, _folder: Path) -> str:
    if case == 5:
        raise ZeroDivisionError
    if case == 11:
        raise tsforge.TsforgeError("")
    if case == 17:
        os.kill(os.getpid(), signal.SIGKILL)
    if case == 23:
        raise directory.ModelError("ours")
    return "well"


@pytest.mark.usefixtures("quiet")
def test_kills_while_a_model_is_saved_leave_the_old_or_the_new(tmp_path: Path) -> None:
    """Half a model, none at all, or hidden folders that pile up."""
    settings = {"data.horizon": 3, "model.kind": "rnn", "model.width": 4, "train.max_steps": 1}
    both = [tsforge.fit(tsforge.build(settings | {"seed": seed}), walk()).model for seed in (1, 2)]
    directory.save(both[0], tmp_path / "model", lambda _: None)
    random, context, seeds = Random(5), multiprocessing.get_context("fork"), set()
    for _ in range(KILLS):
        process = context.Process(target=_save_for_ever, args=(both, tmp_path / "model"))
        process.start()
        time.sleep(random.uniform(0.0, 0.1))
        assert process.pid is not None
        os.kill(process.pid, random.choice((signal.SIGKILL, signal.SIGTERM)))
        process.join()
        seeds.add(directory.load(tmp_path / "model").experiment.seed)
    assert seeds <= {1, 2}
    directory.save(both[1], tmp_path / "model", lambda _: None)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def _save_for_ever(both: list[tsforge.Model], folder: Path) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    while True:
        for model in both:
            directory.save(model, folder, lambda _: None)
