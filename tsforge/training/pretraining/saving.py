"""Pretrained weights as a model directory of no table, with a card that says how they came about."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tsforge.data.encodings import Encodings
from tsforge.data.schema import DataConfig, Schema
from tsforge.data.time.calendar import Frequency
from tsforge.experiment import Experiment, TrainConfig
from tsforge.fitted import directory, manifest
from tsforge.fitted.model import DataFacts, Model, Sizes
from tsforge.training.pretraining.config import Pretraining
from tsforge.training.pretraining.loop import NO_TABLE, Pretrained

LICENCE = "Apache-2.0"


def save(result: Pretrained, config: Pretraining, folder: Path, made: dict[str, Any]) -> None:
    """Write the model directory and its card. made: what else the card says, as the commit and the hardware."""
    card = described(result, config) | made
    directory.save(as_model(result, config), folder, lambda draft: manifest.write_json(draft / "card.json", card))


def as_model(result: Pretrained, config: Pretraining) -> Model:
    """A model that was fitted to no series: its columns and sizes stand for those of any table."""
    data = DataConfig(
        time=("time",),
        target=("value",),
        freq="1",
        horizon=NO_TABLE.horizon,
        context=NO_TABLE.context,
        season=1,
        test=0,
    )
    experiment = Experiment(
        name="zero", seed=config.seed, data=data, model=config.model, train=TrainConfig(max_steps=0)
    )
    columns = Schema(time="time", time_kind="integer", target=("value",), frequency=Frequency(unit="int", step=1))
    facts = DataFacts(
        columns=columns, encodings=Encodings(), shape=Sizes(**NO_TABLE._asdict()), source="", series=0, rows=0
    )
    return Model(experiment, facts, result.network.cpu())


def described(result: Pretrained, config: Pretraining) -> dict[str, Any]:
    """What the card says of the training: everything that makes it again."""
    return {
        "date": datetime.now(UTC).date().isoformat(), "licence": LICENCE,
        "data": "series from formulas alone (tsforge.synthesis); no measured series",
        "seed": config.seed, "hours": round(result.seconds / 3600, 3), "steps": result.steps,
        "sequences": result.sequences, "loss": round(result.loss, 4), "stopped": str(result.stop),
        "pretraining": config.model_dump(mode="json"),
    }  # fmt: skip
