"""A model for whoever does not want to choose: candidates compete for the time there is, the best are blended.

1. Baselines and the models without a network forecast the validation windows; they cost next to nothing.
2. Rung by rung, each candidate is trained from new weights within its slot of the time, its steps set so that the
   schedule of the rate ends in it; the better half goes on to longer slots. (Successive halving; Jamieson & Talwalkar
   2016)
3. What time is left trains the best again with other seeds.
4. Of everything that forecast, a greedy selection draws a weighted mean (`selection`). The surer it is to beat the mean
   of the usual models, the larger its part in a mean with that; where it does not, the usual mean is the model.

The result is an experiment of its own, with the steps that were taken and no clock in it.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tsforge.data.dataset import Dataset, narrowed
from tsforge.errors import ConfigError, TrainingError
from tsforge.evaluation import forecasting
from tsforge.evaluation.forecasting import Reader
from tsforge.evaluation.scores import scores
from tsforge.experiment import Experiment
from tsforge.model.baselines.forecaster import WHOLE
from tsforge.model.ensemble import Blend, Member
from tsforge.model.zoo import PRETRAINED
from tsforge.runtime.timing import stage
from tsforge.training import ensemble, single
from tsforge.training.auto import limits, selection, time_budget
from tsforge.training.auto.remembered import Remembered, Slot, key_of
from tsforge.training.auto.selection import Floats, Yardstick
from tsforge.training.auto.time_budget import Pace
from tsforge.training.auto.timing import WATCHED, corrected, pace
from tsforge.training.checkpoint import Checkpoint
from tsforge.training.events import Report, Standing, Stop, ticks
from tsforge.training.loop import Trained

log = logging.getLogger("tsforge")
now = time.perf_counter

JUDGED = 256  # validation windows by which candidates are compared, evenly spaced
LOOKS = 10  # validations of a training
MOST_VALUES = 4_000_000  # of a candidate's forecasts that are kept
MOST_AGAIN = 6  # trainings of the best with other seeds
MEMBERS = 3  # networks of a blend whose forecasts the reserve has room for


def train(
    experiment: Experiment, dataset: Dataset, report: Report | None = None, checkpoint: Checkpoint | None = None
) -> Trained:
    """Hold the tournament within `train.max_time`, counted from `dataset.began`.

    Without a time no network takes part, unless some are named: then it is 5 minutes. Ctrl-C ends it with what is
    trained by then. Raises TsforgeError for what the user can fix.
    checkpoint: has a part for each training; with what earlier processes trained, in the time that they left.
    """
    limits.start_up(experiment)
    if limits.networks(experiment):
        single.warn_padding(dataset, dataset.sizes.narrow)
    start, began, stamp = now() - dataset.began, now(), time.time()
    tournament = Tournament(experiment, dataset, report or (lambda _: None), checkpoint)
    cost, most = tournament.enter_baselines(), float(MEMBERS)
    try:
        reserve = time_budget.reserve(start, cost) + tournament.before
        end = limits.deadline(experiment, dataset, reserve)
        names = tournament.line_up(end)
        reserve = time_budget.reserve(start, cost + tournament.scoring(names, MEMBERS)) + tournament.before
        tournament.end = limits.deadline(experiment, dataset, reserve)
        tournament.compete(names)
        most = (end - now()) / max(tournament.scoring(names, 1), 1e-9)
    except KeyboardInterrupt:  # between two trainings; within one it is the last of them
        tournament.interrupted = True
    winner = tournament.choose(int(min(max(most, 1), len(tournament.entrants))))
    stop = Stop.INTERRUPT if tournament.interrupted else Stop.STEPS if winner.rounds else Stop.LEARNED
    return replace(winner, stop=stop, started=stamp, seconds=now() - began + tournament.before)


@dataclass
class Entrant:
    """A trained candidate and its point forecasts of the judged windows, (W, H, C)."""

    member: Member
    trained: Trained
    standing: Standing
    point: Floats


class Tournament:
    """Everything that is known while it lasts.

    windows: by which candidates are compared.
    end: the moment at which the last training has to be over.
    losers: candidates that were left out, and why.
    before: seconds that earlier processes took.
    """

    def __init__(
        self, experiment: Experiment, dataset: Dataset, report: Report, checkpoint: Checkpoint | None = None
    ) -> None:
        shared = {"validations": LOOKS, "validation_windows": WATCHED, "max_time": None, "until": None}
        self.experiment, self.dataset, self.report = experiment.with_train(shared), dataset, report
        self.networks = limits.networks(experiment)
        shape = dataset.source.shape
        most = max(1, MOST_VALUES // (shape.horizon * shape.targets))
        self.windows = dataset.parts.validation.thin(min(JUDGED, most))
        self.entrants: list[Entrant] = []
        self.losers: list[Standing] = []
        self.paces: dict[str, Pace] = {}
        self.end = math.inf
        self.interrupted = False
        self.before = checkpoint.seconds if checkpoint is not None else 0.0
        self._remembered = Remembered(checkpoint)

    def enter_baselines(self) -> float:
        """Let the baselines in; the seconds that scoring them on the test windows will take."""
        dataset, start = self.dataset, now()
        config = limits.config(self.experiment)
        kinds: tuple[str, ...] = (*forecasting.BASELINES, *config.closed, *config.pretrained)
        members = {kind: self._member(kind, self.experiment.seed) for kind in kinds}
        trained: dict[str, Trained] = {}
        readers: dict[str, Reader] = {}
        for kind, member in members.items():
            narrow = narrowed(dataset, member.context, member.model)
            trained[kind] = single.train(ensemble.alone(self.experiment, member), narrow)
            readers[kind] = Reader(trained[kind].network, narrow.source)
        learned = now() - start
        with stage("validation"):
            outcomes = forecasting.outcomes(readers, dataset, self.windows)
        self.yardstick = Yardstick.of(next(iter(outcomes.values())))
        scores(next(iter(outcomes.values())))
        per_window = (now() - start - learned) / len(self.windows)
        for name, outcome in outcomes.items():
            self._enter(members[name], trained[name], outcome.point, 0, again=self.before > 0)
        return 2 * learned + per_window * 2 * len(dataset.parts.test)

    def line_up(self, end: float) -> list[str]:
        """The candidates that can be trained and scored by then, or as an earlier process found them."""
        if (known := self._remembered.line_up()) is not None:
            self.paces = known.paces
            for loser in known.losers:
                self._leave(loser.name, loser.rung, loser.note, again=True)
            return known.names
        self.measure(end)
        names = self.fast_enough(end)
        self._remembered.keep_line_up(names, self.paces, [loser for loser in self.losers if loser.rung])
        return names

    def measure(self, end: float) -> None:
        """How fast each candidate is; those that cannot be built for these windows, or come too late, are left out."""
        for name in self.networks:
            if now() > end:
                self._leave(name, 1, "no time is left to train it")
                continue
            try:
                member = self._member(name)
                self.paces[name] = pace(self._alone(member), narrowed(self.dataset, member.context, member.model))
            except ConfigError as problem:
                self._leave(name, 1, problem.message)

    def scoring(self, names: Sequence[str], networks: int) -> float:
        """Seconds that so many of some candidates take for forecasts of all validation and test windows."""
        parts = self.dataset.parts
        watched = min(WATCHED, len(parts.validation))
        slowest = max((self.paces[name].validation / watched for name in names), default=0.0)
        return networks * slowest * (len(parts.validation) + len(parts.test))

    def fast_enough(self, end: float) -> list[str]:
        """The candidates that can be trained and scored by then; the others are left out."""
        names, slow = time_budget.fitting(self.paces, end - now(), LOOKS)
        while names:
            paces = {name: self.paces[name] for name in names}
            seconds = end - time_budget.SAFE * self.scoring(names, MEMBERS) - now()
            faster, slower = time_budget.fitting(paces, seconds, LOOKS)
            if not slower:
                break
            names, slow = faster, [*slow, *slower]
        for name in slow:
            self._leave(name, 1, f"fewer than {time_budget.LEAST_STEPS} steps fit into its slot")
        if not names and self.networks:
            log.warning("there is no time to train any network: only models without one compete")
        return names

    def compete(self, names: list[str]) -> None:
        """Rung by rung, then the best again."""
        sizes = time_budget.rungs(len(names))
        for rung, size in enumerate(sizes):
            names = names[:size]
            over = now() + (self.end - now()) * time_budget.share(sizes, rung)
            most = max(1, self.experiment.train.max_steps >> (len(sizes) - 1 - rung))
            finalists: list[Entrant] = []
            for i, name in enumerate(names):
                member = self._member(name, self.experiment.seed + rung, most)
                entrant = self._train(member, rung + 1, (over - now()) / (len(names) - i))
                finalists += [entrant] if entrant is not None else []
                if self.interrupted:
                    return
            finalists.sort(key=lambda entrant: entrant.standing.score)
            names = [entrant.standing.name for entrant in finalists]
        self._again(finalists, len(sizes))

    def choose(self, most: int) -> Trained:
        """The chosen model, of `most` members at most, with the standings of all candidates."""
        points = [e.point for e in self.entrants]
        bars = selection.bars([e.standing.name for e in self.entrants], self.dataset.sizes.season)
        weights = selection.weights(points, self.yardstick, bars, most)
        drawn = sorted(((w, e) for w, e in zip(weights, self.entrants, strict=True) if w), key=lambda pair: -pair[0])
        bounds = limits.config(self.experiment).bounds
        if len(drawn) == 1:
            winner = drawn[0][1]
            model = winner.member.model.model_copy(update={"bounds": bounds})
            alone = ensemble.alone(self.experiment, winner.member.model_copy(update={"model": model}))
            trained = replace(winner.trained, experiment=alone)
        else:
            members = tuple(e.member.model_copy(update={"weight": w}) for w, e in drawn)
            experiment = self.experiment.model_copy(update={"model": Blend(members=members, bounds=bounds)})
            trained = ensemble.together(experiment, [e.trained for _, e in drawn], Stop.STEPS)
        standings = [e.standing._replace(weight=w) for w, e in zip(weights, self.entrants, strict=True)]
        return replace(trained, standings=(*standings, *self.losers))

    def _enter(self, member: Member, trained: Trained, point: Floats, rung: int, *, again: bool) -> Entrant | None:
        """One more that may be blended, unless its forecasts are not finite. again: an earlier process has said so."""
        steps = trained.rounds[-1].step if trained.rounds else 0
        score, kind = self.yardstick.score(point), member.model.kind
        note = "" if math.isfinite(score) else "its forecasts are not finite"
        standing = Standing(kind, rung, member.seed or 0, steps, trained.seconds, score, note=note)
        self.report(standing._replace(again=again))
        if note:
            self.losers.append(standing)
            return None
        self.entrants.append(Entrant(member, trained, standing, point))
        return self.entrants[-1]

    def _leave(self, name: str, rung: int, note: str, *, again: bool = False) -> None:
        """A candidate that goes no further, with the reason in its standing. again: an earlier process has said so."""
        self.losers.append(Standing(name, rung, self.experiment.seed, 0, 0.0, math.inf, note=note))
        self.report(self.losers[-1]._replace(again=again))

    def _again(self, finalists: list[Entrant], rung: int) -> None:
        """The best of the last rung with other seeds, in turn, as long as a whole training fits."""
        for number in range(MOST_AGAIN if finalists else 0):
            entrant = finalists[number % len(finalists)]
            name, steps = entrant.standing.name, entrant.standing.steps
            fits = steps >= time_budget.LEAST_STEPS and self.paces[name].seconds(steps, LOOKS) <= self.end - now()
            seed = self.experiment.seed + rung + number
            if self.interrupted or not (fits or self._remembered.slot(key_of(name, rung, seed))):
                return
            self._train(self._member(name, seed, entrant.member.steps or steps), rung, self.end - now())

    def _alone(self, member: Member, limit: float | None = None) -> Experiment:
        """What a candidate is trained by, with its own clock."""
        return ensemble.alone(self.experiment, member).with_train({"max_time": limit})

    def _slot(self, member: Member, key: str, seconds: float) -> Slot:
        """The steps that fit into a slot, no more than the member's; none where they are too few."""
        most = member.steps or 1
        steps = min(most, self.paces[member.model.kind].within(seconds, LOOKS))
        few = steps < min(most, time_budget.LEAST_STEPS)
        note = f"fewer than {time_budget.LEAST_STEPS} steps fit into its slot" if few else ""
        return self._remembered.keep_slot(key, Slot(steps, seconds, note))

    def _train(self, member: Member, rung: int, seconds: float) -> Entrant | None:
        """One training within its slot, by this process or an earlier one; None where nothing came of it."""
        name, key = member.model.kind, key_of(member.model.kind, rung, member.seed)
        known, part = self._remembered.slot(key), self._remembered.part(key)
        slot = known or self._slot(member, key, seconds)
        if slot.note:
            self._leave(name, rung, slot.note, again=known is not None)
            return None
        member = member.model_copy(update={"steps": slot.steps})
        dataset = narrowed(self.dataset, member.context, member.model)
        over = part is not None and part.finished() is not None
        try:
            trained = single.train(self._alone(member, slot.seconds), dataset, ticks(self.report), part)
        except TrainingError as problem:
            self._remembered.keep_slot(key, Slot(0, slot.seconds, problem.message))
            self._leave(name, rung, problem.message)
            return None
        except KeyboardInterrupt:
            trained = None
        if trained is None or trained.stop == Stop.INTERRUPT:
            self.interrupted = True
            return None
        if trained.stop == Stop.TIME:  # what makes it again without a clock
            member = member.model_copy(update={"until": trained.rounds[-1].step})
        self.paces[name] = corrected(self.paces[name], trained)
        readers = {"": Reader(trained.network, dataset.source)}
        with stage("validation"):
            point = forecasting.outcomes(readers, self.dataset, self.windows)[""].point
        return self._enter(member, trained, point, rung, again=over)

    def _member(self, name: str, seed: int = 0, steps: int | None = None) -> Member:
        """A candidate that reads what it would by itself of the context that all share."""
        sizes = self.dataset.sizes
        member = Member.model_validate({"model": name, "seed": seed, "steps": steps})
        own = member.model.roomy_context(sizes.season) if name in (*WHOLE, *PRETRAINED) else sizes.narrow
        return member.model_copy(update={"context": min(own, sizes.context)})
