"""Judgement: which of all forecasters scored is best, by how much, and whether that can be believed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tsforge.evaluation.outcome import Outcome
from tsforge.evaluation.scores import by_window, skill
from tsforge.evaluation.significance import Paired, Verdict, paired

MARGIN = 5.0  # per cent: an error that is larger by more than this is a loss, also where it may be chance


@dataclass(frozen=True)
class Judgement:
    """A model against the best of all others that were scored beside it.

    metric: the error that all are judged by; lower is better.
    errors: of each by its name, the model first; those that have one.
    rival: the best of the others.
    paired: the model against the rival, window by window.
    """

    metric: str
    errors: Mapping[str, float]
    rival: str
    paired: Paired

    @property
    def model(self) -> str:
        """The one that was asked for."""
        return next(iter(self.errors))

    @property
    def wins(self) -> bool:
        """Whether nothing shown has a lower error than the model."""
        return self.errors[self.model] <= self.errors[self.rival]

    @property
    def best(self) -> str:
        """The lowest error of all."""
        return self.model if self.wins else self.rival

    @property
    def gain(self) -> float:
        """Per cent by which the model's error is below the rival's, less than 0 where it is above.

        NaN where the rival's is 0.
        """
        return skill(self.errors[self.model], self.errors[self.rival])

    @property
    def verdict(self) -> Verdict:
        """What may be claimed of the model.

        A difference that the test finds and the scores have the other way round, as where a few windows weigh more
        than the others, cannot be told either.
        """
        claim = self.paired.verdict
        contrary = Verdict.WORSE if self.wins else Verdict.BETTER
        return Verdict.LEVEL if claim == contrary else claim

    @property
    def loses(self) -> bool:
        """Whether another forecaster is to be preferred: for certain, or by more than the margin."""
        return not self.wins and (self.verdict == Verdict.WORSE or not self.gain >= -MARGIN)

    def plain(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "metric": self.metric, "model": self.model, "best": self.best, "rival": self.rival, "gain": self.gain,
            "verdict": self.verdict, "p": self.paired.p, "count": self.paired.count, "of": self.paired.of,
            "loses": self.loses,
        }  # fmt: skip


def judge(metric: str, errors: Mapping[str, float], against: Callable[[str], Paired]) -> Judgement | None:
    """Judge the first of several forecasters; None where it has no error, or stands alone.

    errors: by name, the model first.
    against: the paired comparison of the model with another one.
    """
    finite = {name: value for name, value in errors.items() if math.isfinite(value)}
    model, *others = finite or [""]
    if not others or model != next(iter(errors)):
        return None
    rival = min(others, key=lambda name: finite[name])
    return Judgement(metric, finite, rival, against(rival))


def of_outcomes(
    metric: str, outcomes: Mapping[str, Outcome], scores: Mapping[str, Mapping[str, float]]
) -> Judgement | None:
    """Judge the first of several forecasters by the forecasts of the same windows.

    scores: their metrics by name.
    """

    def against(other: str) -> Paired:
        own, rival = (by_window(outcomes[name], metric) for name in (next(iter(outcomes)), other))
        return paired([own - rival], [next(iter(outcomes.values()))])

    return judge(metric, {name: scores[name][metric] for name in outcomes}, against)
