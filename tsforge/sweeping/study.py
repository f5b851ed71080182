"""The Optuna study of a sweep: its storage, sampler and pruner, and a check that all its starts mean one thing."""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from tsforge.data.schema import DataConfig
from tsforge.errors import ConfigError, TrackingError
from tsforge.experiment import TrainConfig
from tsforge.sweeping import trials
from tsforge.sweeping.config import ROUNDS, Plan
from tsforge.sweeping.place import Place

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage

MEANING = "tsforge"  # the study's attribute that holds what its trials were made of
WARM_UP = 4  # reports before the first trial is stopped: a fifth of a training
WARM_UP_FOLDS = 6  # where other folds come after the first
TRIES = 5  # to open a database whose tables others make at the same time


class _Lock:
    """The journal's lock as the system keeps it: a worker that is killed cannot leave it behind.

    Whoever gets it drops the half line that a writer killed in the middle has left, which Optuna could not read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(f"{path}.lock", thread_local=False)

    def acquire(self) -> bool:
        self._lock.acquire()
        with self._path.open("rb+") as file:
            size = file.seek(0, os.SEEK_END)
            if size:
                file.seek(size - 1)
            if size and file.read(1) != b"\n":
                file.seek(0)
                file.truncate(file.read().rfind(b"\n") + 1)
        return True

    def release(self) -> None:
        self._lock.release()


def open_study(place: Place, objectives: Sequence[str], sampler: BaseSampler, pruner: BasePruner) -> Study:
    """The study at a place, made where there is none; lower is better in all objectives."""
    import optuna

    _quiet()
    return optuna.create_study(
        storage=storage(place), study_name=place.name, sampler=sampler, pruner=pruner, load_if_exists=True,
        directions=["minimize"] * len(objectives),
    )  # fmt: skip


def _quiet() -> None:
    """Optuna without what it tells everybody."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    warnings.filterwarnings("ignore", message="Heartbeat of storage")  # ours beats without Study.optimize


def storage(place: Place) -> BaseStorage:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    if place.url is None:
        place.folder.mkdir(parents=True, exist_ok=True)
        path = place.folder / "study.journal"
        path.touch()
        return JournalStorage(JournalFileBackend(str(path), lock_obj=_Lock(path)))  # type: ignore[arg-type]
    try:
        return _database(place)
    except ImportError as problem:
        raise TrackingError(f"the storage: {problem}", "install the database's driver, as psycopg[binary]") from None
    except Exception as problem:
        if type(problem).__module__.partition(".")[0] not in ("sqlalchemy", "optuna"):
            raise
        text = str(getattr(problem, "orig", None) or problem).partition("\n")[0]
        raise TrackingError(f"the storage: the database cannot be used: {text}", "check the address") from None


def _database(place: Place) -> BaseStorage:
    """The storage at an address. Where machines that start together make its tables at once, all but one try again."""
    from optuna.storages import RDBStorage

    for left in reversed(range(TRIES)):
        try:
            return RDBStorage(
                place.url or "", heartbeat_interval=place.heartbeat, grace_period=4 * place.heartbeat,
                heartbeat_stale_trial_callback=trials.retry, engine_kwargs={"pool_pre_ping": True},
            )  # fmt: skip
        except Exception as problem:
            if type(problem).__name__ not in ("IntegrityError", "ProgrammingError") or not left:
                raise
            time.sleep(1)
    raise AssertionError("unreachable")


def sampler(name: str, seed: int) -> BaseSampler:
    """A sampler by name; its seed is another one in every worker and at every start, or all would draw the same."""
    from importlib.metadata import PackageNotFoundError, version

    from optuna import samplers

    _quiet()
    if name == "random":
        return samplers.RandomSampler(seed=seed)
    if name == "qmc":
        return samplers.QMCSampler(
            seed=seed, scramble=True, warn_asynchronous_seeding=False, warn_independent_sampling=False
        )
    if name == "gp":
        return samplers.GPSampler(seed=seed, warn_independent_sampling=False)
    if name == "cmaes":
        try:
            version("cmaes")
        except PackageNotFoundError:
            raise ConfigError("the sampler cmaes needs a package that is missing", "pip install cmaes") from None
        return samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False)
    return samplers.TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True)


def pruner(plan: Plan) -> BasePruner:
    """The plan's pruner. It counts in reports, of which a training has as many however long it is.

    "asha" lets a third through after 4 of 20 reports, and a third of those after 12; after 6 and 18 where the second
    look decides about whole folds more. (Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning")
    """
    from optuna import pruners

    _quiet()
    name = plan.sweep.pruner if len(plan.sweep.objectives) == 1 else "none"
    if name == "asha":
        first = WARM_UP if plan.sweep.folds == 1 else WARM_UP_FOLDS
        return pruners.SuccessiveHalvingPruner(min_resource=first, reduction_factor=3)
    if name == "median":
        return pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=WARM_UP)
    if name == "hyperband":
        return pruners.HyperbandPruner(min_resource=WARM_UP, max_resource=ROUNDS, reduction_factor=3)
    return pruners.WilcoxonPruner(p_threshold=0.1) if name == "wilcoxon" else pruners.NopPruner()


def agree(study: Study, plan: Plan) -> None:
    """Record what the study's trials mean. Raises ConfigError where they meant something else before."""
    now = {name: _plain(value) for name, value in plan.decisive().items()}
    before = study.user_attrs.get(MEANING)
    if before is None:
        study.set_user_attr(MEANING, now)
        return
    # Of settings that the version which began the study may not have had.
    defaults = {f"data.{k}": v for k, v in DataConfig().model_dump().items()}
    defaults |= {f"train.{k}": v for k, v in TrainConfig().model_dump().items()} | {"model.bounds": "auto"}
    usual = {k: _plain(defaults.get(k.partition(": ")[2])) for k in now}
    differing = [k for k in dict.fromkeys((*before, *now)) if before.get(k, usual.get(k)) != now.get(k)]
    if differing:
        name, *others = differing
        text = f"the study {study.study_name} holds trials of something else: {name} was {before.get(name)}, "
        text += f"is {now.get(name)}" + (f"; {len(others)} more differ" if others else "")
        raise ConfigError(text, "repeat the first command, or name another `out` (or sweep.study)")


def begin_with(study: Study, plan: Plan) -> None:
    """Queue the settings each architecture has by default, so that a sweep never ends below them on validation."""
    if study.get_trials(deepcopy=False):
        return
    for model in plan.bases:
        study.enqueue_trial(plan.search_space.defaults(model), user_attrs={trials.DEFAULT: True})


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
