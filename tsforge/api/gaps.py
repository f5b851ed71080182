"""What a score leaves out and why one is missing, in one sentence each; and which season the scores have."""

from __future__ import annotations

from collections.abc import Mapping

from tsforge.evaluation.gaps import Gap, Reason


def sentences(gaps: Mapping[str, Gap], season: int | None) -> list[str]:
    """One for all metrics that have the same gap.

    season: steps; None where several data sets have seasons of their own.
    """
    alike: dict[Gap, list[str]] = {}
    for name, gap in gaps.items():
        alike.setdefault(gap, []).append(name)
    return [_sentence(names, gap, season) for gap, names in alike.items()]


def season(steps: int | None, fallback: int) -> str:
    """The season, or what seasonal naive goes back where there is none."""
    return f"no season (seasonal naive: {fallback})" if fallback and steps == 1 else f"season {steps}"


def skill_of(simple: str | None, error: float) -> list[str]:
    """What the skill is measured against, or why there is none; nothing where no simple forecaster has a score.

    error: of the simple forecaster, in the metric that all are judged by.
    """
    if simple is None:
        return []
    return [
        f"skill: per cent better than {simple}" if error else f"no skill: {simple} makes no error to be compared with"
    ]


def _sentence(names: list[str], gap: Gap, season: int | None) -> str:
    listed = ", ".join(names)
    why = _why(gap, season, several=len(names) > 1)
    if gap.missing:
        return f"no {listed}: {why}"
    leave = "leave" if len(names) > 1 else "leaves"
    return f"{listed} {leave} out {gap.points:,} of {gap.of:,} observed points: there, {why}"


def _why(gap: Gap, season: int | None, *, several: bool) -> str:
    apart = "one season apart" if season is None else f"{season:,} steps apart (one season)"
    match gap.reason:
        case Reason.ALIKE if season == 1:
            return "the values before the test part never change, so that there is nothing to divide by"
        case Reason.ALIKE:
            return f"values {apart} before the test part never differ, so that there is nothing to divide by"
        case Reason.SHORT:
            return f"no two values {apart} lie before the test part"
        case Reason.ZERO:
            they = "they divide" if several else "it divides"
            return f"the values that {they} by are {'all ' if gap.missing else ''}0"
        case Reason.LEVELS:
            return "the forecast has no quantiles at the levels that it takes"
