"""The members of an ensemble, trained one after the other, and the model that they make together."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from tsforge.data.dataset import Prepared, widened
from tsforge.errors import TrainingError
from tsforge.experiment import Experiment
from tsforge.model.baselines.forecaster import Baseline
from tsforge.model.ensemble import Blend, Ensemble, Member
from tsforge.training import single
from tsforge.training.checkpoint import Checkpoint
from tsforge.training.events import Event, Report, Standing
from tsforge.training.loop import planned_steps
from tsforge.training.single import Learned, Trained

log = logging.getLogger("tsforge")

STOPS = ("interrupt", "diverged", "time")  # why a member ended that is worth saying of all


def learn(prepared: Prepared, report: Report | None = None, keep: Checkpoint | None = None) -> Learned:
    """Train an experiment's network, or its members in turn, and calibrate what they say together.

    train.max_time is for all: each member has an equal share of what is left. Ctrl-C keeps the members that are
    finished; of the first one, the best weights so far. keep: refused for several members.
    """
    single.say_padding(prepared)
    if keep is not None and composed(prepared.experiment):
        raise TrainingError("the training of an ensemble keeps no checkpoints", "train its members one by one")
    experiment, one = _trained(prepared, members(prepared), report, keep)
    first = single.judged(prepared, experiment, one)
    again = prepared.experiment.train.refit == "all" and one.stop != "interrupt" and bool(one.rounds)
    return _again(first, prepared, report) if again else first


def _trained(
    prepared: Prepared, parts: Sequence[Prepared], report: Report | None, keep: Checkpoint | None = None
) -> tuple[Experiment, Trained]:
    """The members in turn, and the experiment of those that were finished."""
    if not composed(prepared.experiment):
        return prepared.experiment, single.train(parts[0], report, keep)
    found = list[Trained]()
    start = time.perf_counter()
    for part in parts:
        one = _next(_within(part, start, len(parts) - len(found)), found, report)
        if one is not None:
            found.append(one)
        if one is None or one.stop == "interrupt":
            log.warning("stopped by Ctrl-C: %d of %d members are kept", len(found), len(parts))
            break
    stop = "interrupt" if len(found) < len(parts) else _stop(found)
    return shortened(prepared.experiment, len(found)), together(prepared, found, stop)


def _again(first: Learned, prepared: Prepared, report: Report | None) -> Learned:
    """The same networks trained on validation windows too, for the steps that were best; the corrections stay."""
    longer = widened(prepared)
    parts = [_settled(part, _best(first, k + 1)) for k, part in enumerate(members(longer))]
    try:
        experiment, one = _trained(longer, parts, report)
    except KeyboardInterrupt:
        one = None
    if one is None or one.stop == "interrupt":
        log.warning("stopped by Ctrl-C: the networks are those trained without the validation windows")
        return replace(first, stop="interrupt")
    judged = replace(first.judged, reader=first.judged.reader._replace(network=one.network))
    model = replace(first.model, experiment=experiment, network=one.network)
    return replace(first, model=model, judged=judged, seconds=first.seconds + one.seconds)


def _best(first: Learned, member: int) -> int:
    """The step whose weights were kept."""
    rounds = [r for r in first.rounds if r.member == member]
    return max((r.step for r in rounds if r.best), default=rounds[-1].step)


def _settled(part: Prepared, steps: int) -> Prepared:
    """With nothing left to choose: so many steps, and the weights after the last one."""
    train = part.experiment.train.model_copy(update={"until": steps, "validations": 1, "max_time": None})
    return replace(part, experiment=part.experiment.model_copy(update={"train": train}))


def composed(experiment: Experiment) -> bool:
    """Whether an experiment has several members."""
    return experiment.ensemble > 1 or isinstance(experiment.model, Blend)


def members(prepared: Prepared) -> list[Prepared]:
    """What each member is trained on, in order; of an experiment without members itself."""
    experiment = prepared.experiment
    if isinstance(experiment.model, Blend):
        return [replace(prepared, experiment=alone(experiment, member)) for member in experiment.model.members]
    seeds = range(experiment.seed, experiment.seed + experiment.ensemble)
    return [replace(prepared, experiment=experiment.model_copy(update={"seed": seed, "ensemble": 1})) for seed in seeds]


def alone(experiment: Experiment, member: Member) -> Experiment:
    """A member of a blend as an experiment of its own."""
    train = {"max_steps": member.steps, "until": member.until}
    given = {name: value for name, value in train.items() if value is not None}
    update = {
        "model": member.model, "train": experiment.train.model_copy(update=given),
        "seed": experiment.seed if member.seed is None else member.seed,
    }  # fmt: skip
    return experiment.model_copy(update=update)


def shortened(experiment: Experiment, count: int) -> Experiment:
    """The experiment of the first `count` members."""
    model = experiment.model
    if isinstance(model, Blend):
        return experiment.model_copy(update={"model": Blend(members=model.members[:count])})
    return experiment.model_copy(update={"ensemble": count})


def together(prepared: Prepared, found: Sequence[Trained], stop: str) -> Trained:
    """Trained members as one network; the weights are those of the experiment's first members."""
    weights, model = None, prepared.experiment.model
    if isinstance(model, Blend):
        weights = Blend(members=model.members[: len(found)]).weights
    network: nn.Module = Ensemble([one.network for one in found], weights)
    if weights is None and len(found) == 1:
        network = found[0].network
    rounds = tuple(r._replace(member=k + 1) for k, one in enumerate(found) for r in one.rounds)
    return Trained(network.eval(), rounds, stop, found[0].started, sum(one.seconds for one in found))


def planned(prepared: Prepared) -> tuple[int, ...]:
    """Optimiser steps of each member at most; 0 for a baseline."""
    return tuple(0 if isinstance(p.experiment.model, Baseline) else planned_steps(p) for p in members(prepared))


def _next(part: Prepared, found: Sequence[Trained], report: Report | None) -> Trained | None:
    """The next member; None where Ctrl-C came before it was finished and others are."""
    number = len(found) + 1

    def numbered(event: Event) -> None:
        if report is not None:
            report(event if isinstance(event, Standing) else event._replace(member=number))

    if isinstance(part.experiment.model, Baseline):
        return single.train(part)
    course = single.begin(part, numbered)
    course.run()
    if course.watch.stop == "interrupt" and found:
        return None
    return single.trained(course)


def _within(part: Prepared, start: float, count: int) -> Prepared:
    """With the time of one of `count` members that share what is left since `start`."""
    train = part.experiment.train
    if train.max_time is None:
        return part
    left = max(train.max_time - (time.perf_counter() - start), 1e-3) / count
    update = {"train": train.model_copy(update={"max_time": left})}
    return replace(part, experiment=part.experiment.model_copy(update=update))


def _stop(found: Sequence[Trained]) -> str:
    """Why training ended: what cut a member short, else how the last network did."""
    stops = [one.stop for one in found]
    return next((why for why in STOPS if why in stops), next((s for s in reversed(stops) if s != "learned"), "learned"))
