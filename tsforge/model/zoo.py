"""The named models: rows of settings, no classes. `--model NAME` takes a row; settings given beside it win."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import BeforeValidator, Discriminator, Tag

from tsforge.config import Config
from tsforge.model.baselines.forecaster import Baseline
from tsforge.model.baselines.naive import BaselineKind
from tsforge.model.heads import of_counts
from tsforge.model.network import BACKBONES, Neural, check_backbone
from tsforge.model.zero.network import Zero
from tsforge.runtime import plugins

DEFAULT = "auto"  # where nothing is said of the model
NETWORK = "gru"  # where its settings are given without a name, and where networks alone can be: in a sweep, an ensemble
MADE_OF_MODELS = ("auto", "blend")  # kinds that are no rows: they have models inside
PRETRAINED = ("zero",)  # nor these, whose architecture is that of their weights


def _steps(cell: str) -> dict[str, Any]:
    """The features of each step straight into the cell; all steps of the horizon from its last state."""
    return {"tokens": {"type": "step"}, "backbone": {"type": "recurrent", "cell": cell, "decode": "direct"}}


def _segments(cell: str) -> dict[str, Any]:
    """Steps in segments, the horizon's all at once from one state (after SegRNN), on top of a linear map."""
    return {
        "width": 128, "scaling": "local", "base": "linear",
        "tokens": {"type": "patch", "length": 24, "activation": "relu", "channel_embedding": True, "dropout": 0.1},
        "backbone": {"type": "recurrent", "cell": cell, "decode": "parallel"},
    }  # fmt: skip


# fmt: off
ZOO: dict[str, dict[str, Any]] = {
    "rnn": _steps("rnn"),
    "lstm": _steps("lstm"),
    "gru": _steps("gru"),
    "min-gru": {"backbone": {"type": "minimal", "cell": "gru"}},
    "min-lstm": {"backbone": {"type": "minimal", "cell": "lstm"}},
    "transformer": {"backbone": {"type": "transformer", "arrangement": "encoder-decoder"}},
    "transformer-encoder": {"backbone": {"type": "transformer", "arrangement": "encoder"}},
    "transformer-decoder": {"backbone": {"type": "transformer", "arrangement": "decoder"}},
    "patch-rnn": _segments("rnn"),
    "patch-lstm": _segments("lstm"),
    "patch-gru": _segments("gru"),
    "growth-gru": {  # many short series of any size
        "width": 64, "scaling": "change", "adjust": "season", "growth": True, "base": "none",
        "tokens": {"type": "patch", "length": "season", "activation": "relu", "features": 8},
        "backbone": {"type": "recurrent", "cell": "gru", "decode": "parallel"},
        "head": {"type": "quantile", "loss": "scaled-pinball"},
    },
    "patch-transformer": {  # after PatchTST
        "width": 32, "scaling": "standard", "base": "none",
        "tokens": {"type": "patch", "length": 16, "stride": 8, "readout": "flatten", "features": 2},
        "backbone": {"type": "transformer", "arrangement": "encoder", "layers": 3, "expansion": 4, "dropout": 0.3},
    },
    "inverted-transformer": {  # after iTransformer
        "width": 128, "scaling": "standard", "base": "none",
        "tokens": {"type": "variate"},
        "backbone": {"type": "transformer", "arrangement": "encoder", "expansion": 1, "dropout": 0.1},
    },
    "nlinear": {  # after NLinear: learned by gradient descent; DLinear's two maps of two parts of x are one map of x
        "width": 128, "scaling": "local", "base": "none",
        "tokens": {"type": "variate"},
        "backbone": {"type": "matrix"},
    },
    "cyclenet": {  # after CycleNet with a linear map
        "width": 128, "scaling": "standard", "base": "none", "cycle": "season",
        "tokens": {"type": "variate"},
        "backbone": {"type": "matrix"},
    },
    "linear": {},
    "naive": {},
    "seasonal-naive": {},
    "drift": {},
    "naive2": {},
    "theta": {},
    "ets": {},
    "mstl": {},
    "shape-ridge": {},
    "croston": {},
    "tsb": {},
}
# fmt: on

SENTENCES: dict[str, str] = {  # what each is, for those who choose
    "auto": "a tournament: closed forms first, networks too where there is time; the best, or a blend of them",
    "blend": "a weighted mean of models, their quantiles too; what a tournament ends in",
    "zero": "a pretrained network that forecasts any table without a fit",
    "rnn": "a plain recurrent network (Elman 1990) that answers the whole horizon at once",
    "lstm": "a recurrent network with gates and a memory cell (Hochreiter & Schmidhuber 1997)",
    "gru": "a recurrent network with two gates (Cho et al. 2014)",
    "min-gru": "gates that see the token alone, all states from one parallel scan (Feng et al. 2024)",
    "min-lstm": "the same with an LSTM's gates (Feng et al. 2024)",
    "transformer": "the encoder and decoder of Vaswani et al. 2017",
    "transformer-encoder": "one bidirectional stack over past and future",
    "transformer-decoder": "one causal stack over past and future",
    "patch-rnn": "segments of 24 steps through a plain recurrent network (after SegRNN)",
    "patch-lstm": "segments of 24 steps through an LSTM (after SegRNN)",
    "patch-gru": "segments of 24 steps through a GRU (after SegRNN)",
    "growth-gru": "many short series of any size: growth over the window's level, by seasons",
    "patch-transformer": "overlapping segments of each channel through an encoder (after PatchTST)",
    "inverted-transformer": "a token for each channel, attention among channels (after iTransformer)",
    "nlinear": "one linear map of the window, learned by gradient descent (after NLinear)",
    "cyclenet": "a learned cycle, and a linear map of what is left (after CycleNet)",
    "linear": "one linear map of the window and its covariates, in closed form (ridge)",
    "naive": "the last value",
    "seasonal-naive": "the value one season before",
    "drift": "the line through the first and the last value",
    "naive2": "the last value, seasonally adjusted where a test finds a season (M competitions)",
    "theta": "the line and the exponential smoothing of Assimakopoulos & Nikolopoulos 2000",
    "ets": "exponential smoothing in the states that fit each series best (Hyndman et al. 2002)",
    "mstl": "several seasons taken off by Loess, the rest smoothed (Bandara et al. 2021)",
    "shape-ridge": "a regression on the shapes of seasons before",
    "croston": "sizes and intervals of demand that comes seldom (Croston 1972)",
    "tsb": "the chance and the size of demand, each smoothed (Teunter, Syntetos & Babai 2011)",
}


def complete(value: Any) -> Any:
    """A model's settings with everything its named row says and they do not."""
    if isinstance(value, str):
        value = {"kind": value}
    if not isinstance(value, dict) or value.get("kind") in (*MADE_OF_MODELS, *PRETRAINED):
        return value
    kind = value.get("kind", NETWORK)
    row, head = _without_other_backbone(_row(kind), value), value.get("head")
    if isinstance(head, dict) and head.get("type", "quantile") != "quantile":  # the type of all heads in rows
        row = {name: setting for name, setting in row.items() if name != "head"}
    merged = merge({"kind": kind} | row, value)
    if "scaling" not in value and of_counts(merged.get("head")):
        merged["scaling"] = "level"  # whatever the row says of other heads
    return merged


def _row(kind: Any) -> dict[str, Any]:
    """The settings of a named model, or of a backbone that is registered. Raises ConfigError for an unknown one."""
    if isinstance(kind, str) and kind in ZOO:
        return ZOO[kind]
    backbone = plugins.find("backbone", str(kind), check_backbone)
    if backbone is None:
        raise plugins.unknown("model", str(kind), (*ZOO, *PRETRAINED, *MADE_OF_MODELS))
    return merge({"backbone": {"type": kind}}, getattr(backbone, "settings", {}))


def _without_other_backbone(row: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    """A row, less what it says of its backbone, and of tokens for it alone, where settings name another one."""
    given = value.get("backbone")
    word = given.get("type") if isinstance(given, dict) else getattr(given, "type", None)
    if word in (None, row.get("backbone", {}).get("type")):
        return row
    alone = {"backbone"} | ({"tokens"} if row.get("tokens") == {"type": "step"} else set())
    return {name: setting for name, setting in row.items() if name not in alone}


def registered() -> dict[str, type[Config]]:
    """By name of a model, the backbones that users have added."""
    return {cls.model_fields["type"].default: cls for cls in BACKBONES.types}


def networks() -> tuple[str, ...]:
    """The names of all models that are trained."""
    return *(name for name, row in ZOO.items() if row), *plugins.names("backbone")


def own_parts(model: Any) -> list[tuple[plugins.Kind, str]]:
    """What users have added that a model, or a member of it, is made of: kinds and names."""
    if not isinstance(model, Neural):
        return [part for member in getattr(model, "members", ()) for part in own_parts(member.model)]
    used: list[tuple[plugins.Kind, str]] = [
        ("backbone", model.backbone.type), ("head", model.head.type), ("loss", model.head.loss),
    ]  # fmt: skip
    return [(kind, name) for kind, name in used if name in plugins.names(kind)]


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Nested settings, those of `over` winning."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def family(value: Any) -> str:
    """Which class of models settings or a model are of, by their kind."""
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    if kind in get_args(BaselineKind):
        return "baseline"
    return str(kind) if kind in (*PRETRAINED, *MADE_OF_MODELS) else "network"


ModelConfig = Annotated[
    Annotated[Neural, Tag("network")] | Annotated[Baseline, Tag("baseline")] | Annotated[Zero, Tag("zero")],
    Discriminator(family), BeforeValidator(complete),
]  # fmt: skip
