"""Every setting, model and metric, with what it is: read from where each is defined, so that nothing is said twice.

The sentence of a setting stands in the docstring of its class ("lr: ..."), or behind its line as a comment.
"""

from __future__ import annotations

import inspect
import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

from tsforge.config import Choice, Config, Parts, Range, Words
from tsforge.errors import ConfigError, nearest
from tsforge.evaluation.metrics import every as every_metric
from tsforge.experiment import BacktestConfig
from tsforge.model.zoo import SENTENCES, registered
from tsforge.settings import build

_COMMON = {  # of settings that many parts have
    "type": "which part it is; what else can be set here depends on it",
    "kind": "the model, as `tsforge models` lists them",
    "levels": "of the quantiles that are forecast, ascending",
}


ENDLESS = 10**9  # counts up to it are any


class Setting(NamedTuple):
    """A setting: its dotted path, its default for a model, what it may be, and what it does."""

    path: str
    default: Any
    values: str
    text: str


class Described(NamedTuple):
    """A model or a metric by its name, and what it is."""

    name: str
    text: str


def settings(pattern: str | None = None, model: str = "gru") -> list[Setting]:
    """The settings of an experiment with a model, as far as a pattern fits their paths or their sentences.

    pattern: words or parts of them, or with * and ? a whole path; all where None.
    Raises ConfigError for an unknown model, and where nothing fits.
    """
    experiment = build({"model.kind": model})
    experiment = experiment.model_copy(update={"backtest": experiment.backtest or BacktestConfig()})
    every = list(_walk(experiment))
    if pattern is None:
        return every
    if any(sign in pattern for sign in "*?"):
        found = [s for s in every if fnmatch(s.path, pattern)]
    else:
        found = [s for s in every if pattern.lower() in s.path] or [
            s for s in every if pattern.lower() in s.text.lower()
        ]
    if not found:
        hint = nearest(pattern, [s.path for s in every] + [s.path.rpartition(".")[2] for s in every])
        raise ConfigError(f"no setting of {model} fits '{pattern}'", hint or "tsforge settings lists them all")
    return found


def models() -> list[Described]:
    """Every model that `model.kind` may name."""
    own = {name: _first_line(cls) for name, cls in registered().items()}
    return [Described(*line) for line in (SENTENCES | own).items()]


def metrics() -> list[Described]:
    """Every metric by its name; a number in the name of a family may be another."""
    families = {
        "coverage": "Share of truths within the central interval of so many per cent",
        "width": "Mean width of that interval",
        "winkler": "Width plus what truths outside cost (Winkler 1972)",
    }
    lines = []
    for name, metric in every_metric().items():
        family = families.get(name.rpartition("_")[0])
        lines.append(Described(name, family or _first_line(metric.function).rstrip(".")))
    owa = "Mean of the ratios of sMAPE and MASE to those of Naive2 (Makridakis et al. 2020)"
    return [*lines, Described("pinball_0.9", "Pinball loss of a quantile, of any level"), Described("owa", owa)]


def _first_line(thing: Any) -> str:
    """Of a docstring; nothing where there is none."""
    return next(iter((inspect.getdoc(thing) or "").splitlines()), "") if thing.__doc__ else ""


def _walk(config: Config, prefix: str = "", types: str = "") -> Iterator[Setting]:
    """types: what a part may be, by its `type`."""
    texts = _sentences(type(config))
    for name, field in type(config).model_fields.items():
        value, path = getattr(config, name), prefix + name
        words = next((", ".join(note.words) for note in field.metadata if isinstance(note, Parts | Words)), "")
        if isinstance(value, Config):
            yield from _walk(value, f"{path}.", words)
        else:
            kinds = ", ".join(model.name for model in models()) if path == "model.kind" else ""
            values = kinds or words or (types if name == "type" else "") or _values(field.annotation, field.metadata)
            yield Setting(path, value, values, texts.get(name, ""))


@cache
def _sentences(cls: type[Config]) -> dict[str, str]:
    """By field: of the docstring of a class, and of the comments behind its lines."""
    return {**_COMMON, **_of_comments(cls), **_of_docstring(cls)}


def _of_docstring(cls: type[Config]) -> dict[str, str]:
    text = re.sub(r"\s+", " ", inspect.getdoc(cls) or "")
    names = "|".join(map(re.escape, cls.model_fields))
    starts = list(re.finditer(rf"(?:^|(?<=[\s.;(]))((?:(?:{names}), )*(?:{names})): ", text))
    found: dict[str, str] = {}
    ends = [*(match.start() for match in starts[1:]), len(text)]
    for match, end in zip(starts, ends, strict=False):
        sentence = text[match.end() : end].strip().rstrip(";")
        found |= dict.fromkeys(match[1].split(", "), sentence)
    return found


def _of_comments(cls: type[Config]) -> dict[str, str]:
    """A comment on the line of a field, and those alone on the lines below it."""
    found: dict[str, str] = {}
    name, alone = "", True
    try:
        source = inspect.getsource(cls)
    except (OSError, TypeError):  # of a class that somebody has typed
        return {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME and token.start[1] == 4:
            name = token.string
        elif token.type == tokenize.COMMENT and name in cls.model_fields and not token.string.startswith("# fmt"):
            alone = token.line.lstrip().startswith("#")
            if not alone or name in found:
                found[name] = f"{found.get(name, '')} {token.string.lstrip('# ')}".strip()
    return found


def _values(annotation: Any, metadata: Sequence[Any]) -> str:
    """What a setting may be, in words: its choices, or the range of a number."""
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        return _values(inner, [*more, *metadata])
    if get_origin(annotation) is Literal:
        return ", ".join(map(str, get_args(annotation)))
    if parts := [part for part in get_args(annotation) if part is not type(None)]:
        if get_origin(annotation) is tuple:
            return "several"
        return " or ".join(dict.fromkeys(filter(None, (_values(part, metadata) for part in parts))))
    if annotation is bool:
        return "true, false"
    kind = {int: "whole number", float: "number", str: "text"}.get(annotation, "")
    return f"{kind}{_range(metadata)}" if kind in ("whole number", "number") else kind


def _range(metadata: Sequence[Any]) -> str:
    """As " from 1 to 1024; swept from 16 to 128"."""
    limits: dict[str, Any] = {}
    swept = ""
    for item in _flat(metadata):
        for name in ("ge", "gt", "le", "lt"):
            if getattr(item, name, None) is not None:
                limits[name] = getattr(item, name)
        if isinstance(item, Range):
            swept = f"; swept from {item.low:g} to {item.high:g}"
        if isinstance(item, Choice):
            swept = f"; swept over {', '.join(map(str, item.values))}"
    low = f" from {limits['ge']:g}" if "ge" in limits else f" above {limits['gt']:g}" if "gt" in limits else ""
    most = limits.get("le", limits.get("lt", ENDLESS))
    high = f"{' to' if 'le' in limits else ' below'} {most:,}" if most < ENDLESS else ""
    return f"{low}{high}{swept}"


def _flat(metadata: Sequence[Any]) -> Iterator[Any]:
    """The parts of pydantic's fields too."""
    for item in metadata:
        yield item
        yield from getattr(item, "metadata", ())
