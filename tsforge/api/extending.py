"""Networks, losses and metrics of users: what they are made of, and `tsforge.register`.

    import tsforge
    from tsforge.api.extending import Config, Metric, Outcome, Range, Ratio, TokenShape

    tsforge.register("backbone", "convolution", Convolution)

docs/extending.md has an example of each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tsforge.batch import Truth
from tsforge.config import Choice, Config, Range
from tsforge.errors import ConfigError, listing, nearest
from tsforge.evaluation.metrics import METRICS, Metric, Ratio, check_metric
from tsforge.evaluation.outcome import Outcome
from tsforge.forecast import Forecast, Point, Quantiles, Scaling, check_loss
from tsforge.model.heads import HEADS, OF_POINTS, QUANTILE_LOSSES, check_head
from tsforge.model.network import BACKBONES, check_backbone
from tsforge.model.tokens.point import TokenShape
from tsforge.model.zoo import SENTENCES
from tsforge.runtime import plugins

__all__ = [
    "Choice", "Config", "Forecast", "Metric", "Outcome", "Point", "Quantiles", "Range", "Ratio", "Scaling",
    "TokenShape", "Truth", "register",
]  # fmt: skip


class _Home(NamedTuple):
    """Of a kind of thing: how one is checked, and the names that are ours."""

    check: plugins.Check
    taken: tuple[str, ...]


_HOMES: Mapping[plugins.Kind, _Home] = {
    "backbone": _Home(check_backbone, (*SENTENCES, *BACKBONES.own)),
    "head": _Home(check_head, HEADS.own),
    "loss": _Home(check_loss, (*OF_POINTS.own, *QUANTILE_LOSSES)),
    "metric": _Home(check_metric, (*METRICS, "owa", "loss", "skill")),
}


def register(kind: plugins.Kind, name: str, thing: type[Config] | Metric | Callable[..., Any]) -> None:
    """Make a network, a loss or a metric of your own known by a name, wherever names of ours are taken.

    kind: "backbone", a frozen `Config` with `type: Literal[NAME] = NAME` and its settings, whose `build(shape)` returns
        a torch module with `forward(past (S, N, D), future (S, M, D)) -> (S, M, D)`: then NAME is a model too, whose
        other settings are those of a ClassVar `settings`;
        "head", such a `Config` whose `build(features)` returns a module with
        `forward(features (B, H, C, E), base (B, H, C), scaling) -> Forecast`, which knows its own loss;
        "loss", a function of forecast less truth in normalised units, (B, H, C), to the loss of each step, for
        `model.head.loss`;
        "metric", a function of an `Outcome` to a `Ratio`, or a `Metric` with its direction and whether it needs
        quantiles.
    name: letters, digits, - and _.

    It is tried on small numbers at once. Models and experiments keep the name alone; who loads them registers the thing
    before. What a script or a notebook defines itself (`__main__`), and what has no name in its module (a
    `functools.partial`), is not seen by other processes, as those of a sweep: import a function or class from a module.
    Raises ConfigError for a name that is taken, and for what does not keep its contract.
    """
    if kind not in _HOMES:
        hint = nearest(str(kind), _HOMES) or f"known: {listing(_HOMES)}"
        raise ConfigError(f"there is no kind '{kind}' of things to register", hint)
    plugins.register(kind, name, thing, *_HOMES[kind])
