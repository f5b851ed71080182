"""A pretrained model and a table it has never seen to a model of this table, without a fit.

The table is read, and its season found, as for a fit. Intervals are corrected on the end of its series where these are
long enough, as the validation part of a fit would be; else they are those of the network. What the table knows in
advance has an effect that is fitted to its past.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tsforge.data import covariates as encodings
from tsforge.data import dataset as datasets
from tsforge.data import split, traits
from tsforge.data.dataset import Dataset
from tsforge.data.extending import extended
from tsforge.data.panel import Panel
from tsforge.data.schema import DataConfig
from tsforge.data.season import detect_season, fallback
from tsforge.data.traits import Bounds
from tsforge.data.windows import Windows, cut
from tsforge.errors import ConfigError, ModelError, listing
from tsforge.evaluation import forecasting
from tsforge.experiment import Experiment
from tsforge.fitted import covariates, directory, manifest, prediction, starting
from tsforge.fitted.model import DataFacts, Model
from tsforge.fitted.prediction import Prediction
from tsforge.model.zero.network import ZeroNetwork
from tsforge.model.zoo import PRETRAINED
from tsforge.runtime.threads import sparing
from tsforge.settings import build

log = logging.getLogger("tsforge")

KEPT = ("model.bounds",)  # settings of the model that need no training
CALIBRATED, FEWEST = 128, 30  # held-out windows by which intervals are corrected: at most, at least


def place(word: object) -> Path | None:
    """The folder of a pretrained model that has seen no table; None for whatever else names or is a model.

    word: the name of one that comes with the package, where no folder of this name is there, or a folder.
    """
    if not isinstance(word, str | Path):
        return None
    folder = Path(word)
    if not folder.exists() and str(word) in PRETRAINED:
        return starting.WEIGHTS / str(word)
    return folder if _of_no_table(folder) else None


def _of_no_table(folder: Path) -> bool:
    """Whether a model directory holds a pretrained model; one that is damaged is left to whoever loads it."""
    try:
        series, model = (manifest.read_json(folder / name) for name in ("schema.json", "experiment.json"))
    except ModelError:
        return False
    kind = model.get("model", {}).get("kind") if isinstance(model.get("model"), dict) else None
    return kind in PRETRAINED and series.get("series") == 0


@sparing()
def predict(
    folder: Path, data: Any = None, settings: dict[str, Any] | None = None, *, horizon: int | None = None,
    quantiles: Sequence[float] | None = None, future_data: Any = None,
) -> Prediction:  # fmt: skip
    """Forecast a table with a pretrained model: `tsforge.predict` with its name or folder.

    settings: dotted ones of how the table is read, as for a fit; what they leave open is detected.
    """
    config, bounds = of_table(settings or {}, horizon)
    if future_data is not None and not config.future:
        problem = "rows of `future_data` are given, and no covariates that are known in advance are named"
        raise ConfigError(problem, "name its columns as data.future, or leave out `future_data`")
    model, panel = for_table(folder, data, config, future_data, bounds)
    prediction.check_future(panel, model.shape.horizon, model.shape.horizon, future_data)
    return prediction.of_panel(model, panel, model.shape.horizon, prediction.wanted(model, quantiles))


def refuse(settings: dict[str, Any] | None) -> None:
    """Raises ConfigError for settings of a table where a fitted model has its own."""
    if settings:
        words = f"a fitted model keeps its experiment: {listing(settings)} cannot be changed"
        raise ConfigError(words, "leave these out, or fit again with them")


def of_table(settings: dict[str, Any], horizon: int | None) -> tuple[DataConfig, Bounds | None]:
    """How a table is read, and what forecasts are kept within where that is said, of dotted settings.

    Raises ConfigError for other settings.
    """
    others = [path for path in settings if not path.startswith("data.") and path not in KEPT]
    if others:
        raise ConfigError(
            f"a pretrained model is not trained: {listing(others)} cannot be set", "fit the table with the model zero"
        )
    asked = build(settings | ({"data.horizon": horizon} if horizon is not None else {}))
    return asked.data, asked.model.bounds if KEPT[0] in settings else None


def for_table(
    folder: Path, data: Any, config: DataConfig, future_data: Any = None, bounds: Bounds | None = None
) -> tuple[Model, Panel]:
    """A pretrained model as the model of a table, and the table, with the steps to forecast behind each series.

    future_data: a table of what is known in advance of these steps. bounds: what forecasts are kept
    within; as the pretrained model has it where None.
    Raises DataError and ConfigError as `fit` does for a table that cannot be read.
    """
    prediction.check_horizon(config.horizon, prediction.LONGEST)
    pretrained = directory.load(folder)
    config = _with_future_alone(config)
    if data is None and config.path is None:
        raise ConfigError("no data is named", "name a table after the model, as in: predict zero data.csv")
    config, panel = datasets.read(config, data, future_data)
    kept = {} if bounds is None else {"bounds": bounds}
    own = pretrained.experiment.model.model_copy(update=kept)
    experiment = pretrained.experiment.model_copy(update={"data": config, "name": None, "model": own})
    dataset = _dataset(experiment, panel)
    experiment = experiment.model_copy(update={"data": dataset.config})
    network = experiment.network(dataset.source.shape)
    assert isinstance(network, ZeroNetwork)
    starting.hand_over(pretrained.network, network)
    calibration = None
    if len(dataset.parts.validation) >= FEWEST:
        covariates.fit(network, dataset)  # to what lies before these windows
        calibration = forecasting.forecaster(network.eval(), dataset).calibration
    covariates.tell(covariates.fit(network, dataset, panel.ends))
    model = Model(experiment, DataFacts.of(dataset, panel.ends), network.eval(), calibration)
    return model, extended(panel, dataset.sizes.horizon)


def _with_future_alone(config: DataConfig) -> DataConfig:
    """The columns without covariates that are not known in advance, with a warning where some were named."""
    covariates.warn_unread((*config.past, *config.static))
    category = tuple(name for name in config.category if name in config.future)
    return config.model_copy(update={"past": (), "static": (), "category": category})


def _dataset(experiment: Experiment, panel: Panel) -> Dataset:
    """The table as the model reads it, with windows at the end of its series to correct intervals by, if there are."""
    config, needs = experiment.data, experiment.model
    horizon = datasets.settle_horizon(config, panel)
    season = config.season or detect_season(panel, panel.ends)
    back = fallback(panel, panel.ends) if season == 1 else 0
    lengths = panel.ends - panel.offsets[:-1]
    context = config.context or max(1, min(needs.roomy_context(season), int(lengths.max(initial=1))))
    held_out, _ = split.sizes(panel, horizon, config.validation, 0)
    cuts = split.split(panel, held_out, 0)
    windows = cut(panel, cuts.train, cuts.validation, context, horizon).thin(CALIBRATED)
    nothing = Windows(windows.origins[:0], windows.series[:0])
    schema = panel.schema
    settled = config.model_copy(update={
        "time": schema.time_columns, "id": schema.id, "target": schema.target, "calendar": False, "horizon": horizon,
        "context": context, "season": season, "validation": held_out, "test": 0,
    })  # fmt: skip
    sizes = datasets.Sizes(context, horizon, season, held_out, 0, fallback=back)
    series = traits.fit(panel, context, panel.ends)
    estimates = datasets.Estimates(encodings.fit(panel, panel.ends, use_calendar=False, config=config), series)
    layout = datasets.Layout(settled, sizes, cuts, needs.bounds)
    return datasets.encode(panel, layout, split.Parts(nothing, windows, nothing), estimates)
