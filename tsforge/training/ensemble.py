"""The members of an ensemble, trained one after the other, and the network that they make together."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from tsforge.data.dataset import Dataset, narrowed, widened
from tsforge.errors import listing
from tsforge.experiment import Experiment
from tsforge.model.baselines.forecaster import Baseline
from tsforge.model.ensemble import Blend, Ensemble, Member
from tsforge.model.zero.network import Zero
from tsforge.runtime import stopping
from tsforge.training import single
from tsforge.training.checkpoint import Checkpoint
from tsforge.training.events import Event, Report, Standing, Stop
from tsforge.training.loop import Trained, planned_steps

log = logging.getLogger("tsforge")


def train(
    experiment: Experiment, dataset: Dataset, report: Report | None = None, checkpoint: Checkpoint | None = None
) -> Trained:
    """Train an experiment's network, or its members in turn; with `train.refit` once more on all windows.

    train.max_time is for all: each member has an equal share of what is left. Ctrl-C keeps the members that are
    finished; of the first one, the best weights so far. checkpoint: has a part for each member.
    """
    single.warn_padding(dataset, dataset.sizes.context)
    _tell_unread(experiment, dataset)
    trained = _train(experiment, members(experiment), dataset, report, checkpoint)
    again = experiment.train.refit == "all" and trained.stop != Stop.INTERRUPT and bool(trained.rounds)
    return _refit(trained, experiment, dataset, report, checkpoint) if again else trained


def _tell_unread(experiment: Experiment, dataset: Dataset) -> None:
    """Say which covariates a closed form leaves out, as it reads none."""
    known = dataset.encodings
    names = [encoding.name for encoding in (*known.past, *known.ahead, *known.static)]
    if names and isinstance(experiment.model, Baseline):
        words = "%s reads the target alone: %s left out (networks and zero read what is known in advance)"
        log.info(words, experiment.model.kind, listing(names))


def _train(
    experiment: Experiment, parts: Sequence[Experiment], dataset: Dataset, report: Report | None,
    checkpoint: Checkpoint | None = None,
) -> Trained:  # fmt: skip
    """The members in turn; of those that were finished, the network that they make together."""
    if not composed(experiment):
        return replace(single.train(parts[0], dataset, report, checkpoint), experiment=experiment)
    finished = list[Trained]()
    for part in parts:
        trained = _next(_within(part, finished, len(parts)), dataset, finished, report, checkpoint)
        if trained is not None:
            finished.append(trained)
        if trained is None or trained.stop == Stop.INTERRUPT:
            log.warning("stopped by %s: %d of %d members are kept", stopping.cause(), len(finished), len(parts))
            break
    stop = Stop.INTERRUPT if len(finished) < len(parts) else _stop(finished)
    return together(shortened(experiment, len(finished)), finished, stop)


def _refit(
    first: Trained, experiment: Experiment, dataset: Dataset, report: Report | None, checkpoint: Checkpoint | None
) -> Trained:
    """Train the same networks on validation windows too, for the steps that were best: nothing is left to choose."""
    settled = {"validations": 1, "max_time": None}
    steps = [_best(first, k + 1) for k in range(len(members(experiment)))]
    parts = [
        part.with_train(settled | ({"max_steps": 0} if until == 0 else {"until": until}))
        for part, until in zip(members(experiment), steps, strict=True)
    ]
    try:
        kept = checkpoint.part("refit") if checkpoint is not None else None
        second = _train(experiment, parts, widened(dataset), report, kept)
    except KeyboardInterrupt:
        second = None
    if second is None or second.stop == Stop.INTERRUPT:
        log.warning("stopped by %s: the networks are those trained without the validation windows", stopping.cause())
        return replace(first, stop=Stop.INTERRUPT)
    return replace(
        first, experiment=second.experiment, network=second.network, unseen=first.network,
        seconds=first.seconds + second.seconds,
    )  # fmt: skip


def _best(first: Trained, member: int) -> int | None:
    """The step whose weights were kept; None of a member without a network."""
    rounds = [r for r in first.rounds if r.member == member]
    return max((r.step for r in rounds if r.best), default=rounds[-1].step) if rounds else None


def composed(experiment: Experiment) -> bool:
    """Whether an experiment has several members."""
    return experiment.ensemble > 1 or isinstance(experiment.model, Blend)


def members(experiment: Experiment) -> list[Experiment]:
    """The experiment of each member, in order; of an experiment without members itself."""
    if isinstance(experiment.model, Blend):
        parts = [alone(experiment, member) for member in experiment.model.members]
    else:
        seeds = range(experiment.seed, experiment.seed + experiment.ensemble)
        parts = [experiment.model_copy(update={"seed": seed, "ensemble": 1}) for seed in seeds]
    return [_placed(part, number) for number, part in enumerate(parts, start=1)] if composed(experiment) else parts


def _placed(part: Experiment, number: int) -> Experiment:
    """A member that begins with the weights of the member at its place, where the training begins with any."""
    if part.train.start is None or part.train.start_member is not None:
        return part
    learned = not isinstance(part.model, Baseline)
    return part.with_train({"start_member": number} if learned else {"start": None})


def alone(experiment: Experiment, member: Member) -> Experiment:
    """A member of a blend as an experiment of its own."""
    train = {"max_steps": member.steps, "until": member.until}
    given = {name: value for name, value in train.items() if value is not None}
    if isinstance(member.model, Zero):
        given.setdefault("max_steps", 0)
    seed = experiment.seed if member.seed is None else member.seed
    data = experiment.data.model_copy(update={"context": member.context or experiment.data.context})
    return experiment.with_train(given).model_copy(update={"data": data, "model": member.model, "seed": seed})


def shortened(experiment: Experiment, count: int) -> Experiment:
    """The experiment of the first `count` members."""
    model = experiment.model
    if isinstance(model, Blend):
        return experiment.model_copy(update={"model": model.model_copy(update={"members": model.members[:count]})})
    return experiment.model_copy(update={"ensemble": count})


def together(experiment: Experiment, members: Sequence[Trained], stop: Stop) -> Trained:
    """Trained members as one network."""
    blend = experiment.model if isinstance(experiment.model, Blend) else None
    weights, contexts = (blend.weights, blend.contexts) if blend else (None, None)
    network: nn.Module = Ensemble([member.network for member in members], weights, contexts)
    if weights is None and len(members) == 1:
        network = members[0].network
    rounds = tuple(r._replace(member=k + 1) for k, member in enumerate(members) for r in member.rounds)
    seconds = sum(member.seconds for member in members)
    threads = tuple(dict.fromkeys(count for member in members for count in member.threads))
    return Trained(experiment, network.eval(), rounds, stop, members[0].started, seconds, threads=threads)


def planned(experiment: Experiment, dataset: Dataset) -> tuple[int, ...]:
    """Optimiser steps of each member at most; 0 for a baseline."""
    return tuple(
        0
        if isinstance(part.model, Baseline)
        else planned_steps(part.train, narrowed(dataset, part.data.context, part.model))
        for part in members(experiment)
    )


def _next(
    part: Experiment, dataset: Dataset, finished: Sequence[Trained], report: Report | None,
    checkpoint: Checkpoint | None,
) -> Trained | None:  # fmt: skip
    """The next member; None where Ctrl-C came before it was finished and others are."""
    number, dataset = len(finished) + 1, narrowed(dataset, part.data.context, part.model)

    def numbered(event: Event) -> None:
        if report is not None:
            report(event if isinstance(event, Standing) else event._replace(member=number))

    if isinstance(part.model, Baseline):
        return single.train(part, dataset)
    kept = checkpoint.part(f"member-{number}") if checkpoint is not None else None
    if kept is not None and (trained := single.restored(part, dataset, kept, numbered)) is not None:
        return trained
    training = single.prepared(part, dataset, numbered, kept)
    training.run()
    if training.stop == Stop.INTERRUPT and finished:
        return None
    return single.finish(training, kept)


def _within(part: Experiment, finished: Sequence[Trained], count: int) -> Experiment:
    """With the time of the next of `count` members, which share what those that are finished have left."""
    if part.train.max_time is None:
        return part
    left = part.train.max_time - sum(trained.seconds for trained in finished)
    return part.with_train({"max_time": max(left, 1e-3) / (count - len(finished))})


def _stop(finished: Sequence[Trained]) -> Stop:
    """Why training ended: what cut a member short, else how the last network did."""
    stops = [trained.stop for trained in finished]
    ended = next((stop for stop in reversed(stops) if stop != Stop.LEARNED), Stop.LEARNED)
    return next((why for why in (Stop.INTERRUPT, Stop.DIVERGED, Stop.TIME) if why in stops), ended)
