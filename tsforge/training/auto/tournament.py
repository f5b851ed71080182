"""A model for whoever does not want to choose: candidates compete for the time there is, the best are blended.

1. Baselines and the linear model forecast the validation windows; they cost nothing.
2. Rung by rung, each candidate is trained from new weights within its slot of the time, its steps set so that the
   schedule of the rate ends in it; the better half goes on to longer slots. (Successive halving; Jamieson & Talwalkar
   2016)
3. What time is left trains the best again with other seeds.
4. Of everything that was trained, a greedy selection draws a weighted mean (`selection`). It is kept only where it
   beats the best baseline by more than chance; otherwise the baseline is the model.

The result is an experiment of its own, with the steps that were taken and no clock in it.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module

from tsforge.data.dataset import Prepared
from tsforge.data.windows import Windows
from tsforge.errors import ConfigError, TrainingError
from tsforge.evaluation import forecasting
from tsforge.evaluation.forecasting import Reader
from tsforge.evaluation.scores import scores
from tsforge.experiment import Experiment
from tsforge.model.auto import Auto
from tsforge.model.baselines.forecaster import Baseline
from tsforge.model.ensemble import Blend, Member
from tsforge.training import ensemble, single
from tsforge.training.auto import selection, time_budget
from tsforge.training.auto.selection import Floats, Yardstick
from tsforge.training.auto.time_budget import Pace
from tsforge.training.auto.timing import WATCHED, corrected, pace
from tsforge.training.events import Report, Standing, ticks
from tsforge.training.single import Learned, Trained

log = logging.getLogger("tsforge")
now = time.perf_counter

DEFAULT_TIME = 300.0  # seconds, where nobody says
SIMPLE = ("seasonal-naive", "naive", "drift")  # what a blend has to beat
JUDGED = 256  # validation windows by which candidates are compared, evenly spaced
LOOKS = 10  # validations of a training
MOST_VALUES = 4_000_000  # of a candidate's forecasts that are kept
MOST_AGAIN = 6  # trainings of the best with other seeds
EXIT = 0.5  # of the start, which the end of the process takes
MEMBERS = 3  # networks of a blend whose forecasts the reserve has room for


@dataclass
class Entrant:
    """A trained candidate and its point forecasts of the judged windows, (W, H, C)."""

    member: Member
    trained: Trained
    standing: Standing
    point: Floats


@dataclass
class Tournament:
    """Everything that is known while it lasts.

    windows: by which candidates are compared. end: the moment at which the last training has to be over.
    """

    prepared: Prepared
    report: Report
    windows: Windows
    yardstick: Yardstick
    entrants: list[Entrant] = field(default_factory=list)
    end: float = math.inf
    paces: dict[str, Pace] = field(default_factory=dict)
    out: list[Standing] = field(default_factory=list)
    interrupted: bool = False


def learn(prepared: Prepared, report: Report | None = None) -> Learned:
    """Hold the tournament within `train.max_time` (5 minutes where it is not set), counted from `prepared.began`.

    Ctrl-C ends it with what is trained by then. Raises TsforgeError for what the user can mend.
    """
    import_module("pytorch_lightning")  # what that takes belongs to the start

    single.say_padding(prepared)
    start = now() - prepared.began
    began, stamp = now(), time.time()
    one, cost = _begin(settled(prepared), report or (lambda _: None))
    end = _deadline(prepared, time_budget.reserve(start, cost))
    _measure(one, end)
    names = _fast_enough(one, end)
    one.end = _deadline(prepared, time_budget.reserve(start, cost + _scoring(one, names, MEMBERS)))
    _compete(one, names)
    most = max(1, int((end - now()) / max(_scoring(one, names, 1), 1e-9)))
    experiment, found, standings = choose(one, most)
    stop = "interrupt" if one.interrupted else "steps" if found.rounds else "learned"
    whole = Trained(found.network, found.rounds, stop, stamp, now() - began)
    return replace(single.judged(one.prepared, experiment, whole), standings=standings)


def left(prepared: Prepared, start: float) -> float:
    """Seconds until the time of a tournament is up, without those that the end of the process takes.

    start: what its beginning took, which tells how fast the machine is.
    """
    return max(0.0, _deadline(prepared, time_budget.LEAST / 2 + EXIT * start) - now())


def _deadline(prepared: Prepared, kept: float) -> float:
    """The moment from which on `kept` seconds of the time are left."""
    return prepared.began + (prepared.experiment.train.max_time or DEFAULT_TIME) - kept


def settled(prepared: Prepared) -> Prepared:
    """With the settings of training that all candidates share, and no clock."""
    experiment = prepared.experiment
    update = {"validations": LOOKS, "validation_windows": WATCHED, "max_time": None, "until": None}
    train = experiment.train.model_copy(update=update)
    return replace(prepared, experiment=experiment.model_copy(update={"train": train}))


def _begin(prepared: Prepared, report: Report) -> tuple[Tournament, float]:
    """The tournament after its baselines, and the seconds that scoring those on the test windows will take."""
    shape = prepared.source.shape
    few = prepared.parts.validation.thin(min(JUDGED, max(1, MOST_VALUES // (shape.horizon * shape.targets))))
    start = now()
    readers: dict[str, Reader] = {}
    taken: dict[str, Trained] = {}
    for kind in forecasting.BASELINES:
        update = {"model": Baseline(kind=kind)}
        part = replace(prepared, experiment=prepared.experiment.model_copy(update=update))
        taken[kind] = single.train(part)
        readers[kind] = Reader(taken[kind].network, prepared.source)
    learned = now() - start
    outcomes = forecasting.outcomes(readers, prepared, few)
    one = Tournament(prepared, report, few, Yardstick.of(outcomes[SIMPLE[0]]))
    scores(next(iter(outcomes.values())))
    per_window = (now() - start - learned) / len(few)
    for name, outcome in outcomes.items():
        _enter(one, _member(name, prepared.experiment.seed), taken[name], outcome.point, 0)
    return one, 2 * learned + per_window * 2 * len(prepared.parts.test)


def _enter(one: Tournament, member: Member, trained: Trained, point: Floats, rung: int) -> Entrant | None:
    """One more that may be blended, unless its forecasts are not finite."""
    steps = trained.rounds[-1].step if trained.rounds else 0
    score, kind = one.yardstick.score(point), member.model.kind
    note = "" if math.isfinite(score) else "its forecasts are not finite"
    standing = Standing(kind, rung, member.seed or 0, steps, trained.seconds, score, note=note)
    one.report(standing)
    if note:
        one.out.append(standing)
        return None
    one.entrants.append(Entrant(member, trained, standing, point))
    return one.entrants[-1]


def _leave(one: Tournament, name: str, rung: int, note: str) -> None:
    """A candidate that goes no further, which is said."""
    one.out.append(Standing(name, rung, one.prepared.experiment.seed, 0, 0.0, math.inf, note=note))
    one.report(one.out[-1])


def _measure(one: Tournament, end: float) -> None:
    """How fast each candidate is; those that cannot be built for these windows, or come too late, are left out."""
    config = one.prepared.experiment.model
    assert isinstance(config, Auto)
    for name in config.candidates:
        if now() > end:
            _leave(one, name, 1, "no time is left to train it")
            continue
        try:
            one.paces[name] = pace(_part(one, _member(name)))
        except ConfigError as problem:
            _leave(one, name, 1, problem.message)


def _scoring(one: Tournament, names: Sequence[str], networks: int) -> float:
    """Seconds that so many of some candidates take for forecasts of all validation and test windows."""
    parts, watched = one.prepared.parts, min(WATCHED, len(one.prepared.parts.validation))
    slowest = max((one.paces[name].validation / watched for name in names), default=0.0)
    return networks * slowest * (len(parts.validation) + len(parts.test))


def _fast_enough(one: Tournament, end: float) -> list[str]:
    """The candidates that can be trained and scored by then; the others are left out."""
    names, slow = time_budget.fitting(one.paces, end - now(), LOOKS)
    while names:
        kept, more = time_budget.fitting(
            {name: one.paces[name] for name in names},
            end - time_budget.SAFE * _scoring(one, names, MEMBERS) - now(),
            LOOKS,
        )
        if not more:
            break
        names, slow = kept, [*slow, *more]
    for name in slow:
        _leave(one, name, 1, f"fewer than {time_budget.LEAST_STEPS} steps fit into its slot")
    if not names:
        log.warning("there is no time to train any network: only baselines and the linear model compete")
    return names


def _compete(one: Tournament, names: list[str]) -> None:
    """Rung by rung, then the best again."""
    sizes = time_budget.rungs(len(names))
    last: list[Entrant] = []
    for rung, size in enumerate(sizes):
        names = names[:size]
        over = now() + (one.end - now()) * time_budget.share(sizes, rung)
        most = max(1, one.prepared.experiment.train.max_steps >> (len(sizes) - 1 - rung))
        last = []
        for i, name in enumerate(names):
            member = _member(name, one.prepared.experiment.seed + rung, most)
            entrant = _train(one, member, rung + 1, (over - now()) / (len(names) - i))
            last += [entrant] if entrant is not None else []
            if one.interrupted:
                return
        last.sort(key=lambda entrant: entrant.standing.score)
        names = [entrant.standing.name for entrant in last]
    _again(one, last, len(sizes))


def _again(one: Tournament, last: list[Entrant], rung: int) -> None:
    """The best of the last rung with other seeds, in turn, as long as a whole training fits."""
    for number in range(MOST_AGAIN):
        if not last or one.interrupted:
            return
        entrant = last[number % len(last)]
        name, steps = entrant.standing.name, entrant.standing.steps
        if one.paces[name].seconds(steps, LOOKS) > one.end - now() or steps < time_budget.LEAST_STEPS:
            return
        seed = one.prepared.experiment.seed + rung + number
        _train(one, _member(name, seed, entrant.member.steps or steps), rung, one.end - now())


def _member(name: str, seed: int = 0, steps: int | None = None) -> Member:
    return Member.model_validate({"model": name, "seed": seed, "steps": steps})


def _part(one: Tournament, member: Member, limit: float | None = None) -> Prepared:
    """What a candidate is trained on, with its own clock."""
    experiment = ensemble.alone(one.prepared.experiment, member)
    train = experiment.train.model_copy(update={"max_time": limit})
    return replace(one.prepared, experiment=experiment.model_copy(update={"train": train}))


def _train(one: Tournament, member: Member, rung: int, slot: float) -> Entrant | None:
    """One training within its slot, of no more than the member's steps; None where nothing came of it."""
    name: str = member.model.kind
    most = member.steps or 1
    steps = min(most, one.paces[name].within(slot, LOOKS))
    if steps < min(most, time_budget.LEAST_STEPS):
        _leave(one, name, rung, f"fewer than {time_budget.LEAST_STEPS} steps fit into its slot")
        return None
    member = member.model_copy(update={"steps": steps})
    try:
        trained = single.train(_part(one, member, slot), ticks(one.report))
    except TrainingError as problem:
        _leave(one, name, rung, problem.message)
        return None
    except KeyboardInterrupt:
        trained = None
    if trained is None or trained.stop == "interrupt":
        one.interrupted = True
        return None
    if trained.stop == "time":  # what makes it again without a clock
        member = member.model_copy(update={"until": trained.rounds[-1].step})
    one.paces[name] = corrected(one.paces[name], trained)
    reader = Reader(trained.network, one.prepared.source)
    return _enter(one, member, trained, forecasting.outcomes({"": reader}, one.prepared, one.windows)[""].point, rung)


def choose(one: Tournament, most: int) -> tuple[Experiment, Trained, tuple[Standing, ...]]:
    """What makes the chosen model again, the model, and all candidates with their weights.

    most: members that the time for scoring allows.
    """
    weights = _weights(one, most)
    drawn = sorted(((w, e) for w, e in zip(weights, one.entrants, strict=True) if w), key=lambda pair: -pair[0])
    standings = [e.standing._replace(weight=w) for w, e in zip(weights, one.entrants, strict=True)]
    found, experiment = [e.trained for _, e in drawn], one.prepared.experiment
    if len(drawn) == 1:
        experiment, whole = ensemble.alone(experiment, drawn[0][1].member), found[0]
    else:
        members = tuple(e.member.model_copy(update={"weight": w}) for w, e in drawn)
        experiment = experiment.model_copy(update={"model": Blend(members=members)})
        whole = ensemble.together(replace(one.prepared, experiment=experiment), found, "steps")
    return experiment, whole, (*standings, *one.out)


def _weights(one: Tournament, most: int) -> list[float]:
    """Of each entrant: those of the greedy selection, with a share for the best baseline, or that baseline alone."""
    simple = {e.standing.name: k for k, e in enumerate(one.entrants) if e.standing.name in SIMPLE}
    if not simple:
        raise TrainingError("no baseline has a finite forecast of the validation windows", "look at the data: inspect")
    points, yardstick = [e.point for e in one.entrants], one.yardstick
    bar = next(simple[name] for name in SIMPLE if name in simple)
    for k in simple.values():
        bar = k if selection.gap(points[k], points[bar], yardstick).sure else bar
    counts = selection.greedy(points, yardstick, most)
    gap, name = selection.crossed(points, bar, yardstick, most), one.entrants[bar].standing.name
    if gap.sure:
        return [(1 - gap.share) * n / sum(counts) + gap.share * (k == bar) for k, n in enumerate(counts)]
    better = 100 * gap.gain / max(one.entrants[bar].standing.score, 1e-12)
    log.warning(
        "nothing beats %s on the validation windows by more than chance%s: it is the model. What can be foretold of "
        "these data is said by that simple rule; a network would add nothing that can be relied on",
        name, f" (the best blend is {better:.1f} % better, too little to tell)" if gap.gain > 0 else "",
    )  # fmt: skip
    return [float(k == bar) for k in range(len(points))]
