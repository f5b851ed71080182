"""The model directory as an MLflow model, made without torch: by a process that has MLflow and stays small.

An export is models-from-code: a file of three lines that imports `serving.py`, our model directory beside it, and
explicit requirements. Loading it unpickles nothing, and no path in it leads out of it, so it can be moved. It is not
written by `mlflow.pyfunc.save_model`, which would run the model, print bars and advice, and note down where the files
lay.

The signature names outputs and parameters but no inputs, because MLflow would then check the columns itself, by rules
that refuse good tables: "double" refuses whole numbers in a data frame, "string" refuses numbers and datetimes, and
"any" makes every CSV an error. Our own reader checks the columns, says more, and takes what `tsforge predict` takes;
which columns those are stands in the metadata.
"""

from __future__ import annotations

import platform
import shutil
from pathlib import Path
from typing import Any

import mlflow

from tsforge.config import parse
from tsforge.data import tidy
from tsforge.data.schema import Schema
from tsforge.errors import ModelError
from tsforge.fitted import manifest
from tsforge.version import DISTRIBUTION, __version__

CODE = '''"""Read by MLflow: the model directory under artifacts/, served by tsforge."""

from mlflow.models import set_model

from tsforge.tracking.serving import ServedModel

set_model(ServedModel())
'''
ENVIRONMENT = """python: "{version}"
build_dependencies:
- pip
dependencies:
- -r requirements.txt
"""
_CODE_FILE, _MODEL = "model.py", "artifacts/model"


def export(folder: Path, into: Path) -> None:
    """Write the model directory `folder` as an MLflow model into the new or empty folder `into`.

    Raises ModelError where `folder` is no sound model, or `into` holds something or cannot be written.
    """
    manifest.check(folder)
    facts = manifest.read_json(folder / "schema.json")
    schema = parse(Schema, facts["columns"], "schema.json")
    try:
        into.mkdir(parents=True, exist_ok=True)
        if any(into.iterdir()):
            raise ModelError(f"{into}: is not empty", "export into a new folder")
        shutil.copytree(folder, into / _MODEL)
        (into / _CODE_FILE).write_text(CODE, encoding="utf-8")
        packages = f"mlflow=={mlflow.__version__}\n{DISTRIBUTION}=={__version__}\n"
        (into / "requirements.txt").write_text(packages, encoding="utf-8")
        python = ENVIRONMENT.format(version=platform.python_version())
        (into / "python_env.yaml").write_text(python, encoding="utf-8")
    except OSError as problem:
        raise ModelError(f"{into}: cannot be written: {problem.strerror or problem}", "choose another folder") from None
    signature = _signature(schema, _levels(folder), facts["shape"]["horizon"])
    metadata = mlflow.models.Model(signature=signature, metadata={"tsforge": _columns(schema)})
    mlflow.pyfunc.add_to_model(
        metadata, loader_module="mlflow.pyfunc.loaders.code_model", python_env="python_env.yaml",
        model_code_path=_CODE_FILE, artifacts={"model": {"path": _MODEL, "uri": _MODEL}}, streamable=False,
    )  # fmt: skip
    metadata.save(str(into / "MLmodel"))


def _signature(schema: Schema, levels: list[float], horizon: int) -> Any:
    """Typed outputs and parameters. An id is of the type that it comes in."""
    from mlflow.types.schema import AnyType, ColSpec, ParamSchema, ParamSpec
    from mlflow.types.schema import Schema as Columns

    outputs = [ColSpec(AnyType(), name) for name in schema.id]
    outputs += [ColSpec(_time_type(schema.time_kind, form or ""), name) for name, form in _times(schema)]
    outputs += [ColSpec("string", "target")] if len(schema.target) > 1 else []
    outputs += [ColSpec("double", name) for name in ("forecast", *map(tidy.quantile_name, levels))]
    params = [ParamSpec("horizon", "long", horizon), ParamSpec("quantiles", "double", levels, shape=(-1,))]
    params.append(ParamSpec("round", "boolean", False))
    return mlflow.models.ModelSignature(outputs=Columns(outputs), params=ParamSchema(params))


def _levels(folder: Path) -> list[float]:
    """The quantile levels that a model answers with."""
    if (folder / manifest.CALIBRATION).exists():
        return list(manifest.read_json(folder / manifest.CALIBRATION)["levels"])
    model = manifest.read_json(folder / "experiment.json")["model"]
    model = model["members"][0]["model"] if "members" in model else model
    return list(model.get("head", model)["levels"])


def _times(schema: Schema) -> list[tuple[str, str | None]]:
    """The columns of the times, and how each is written."""
    return [(p.name, p.format) for p in schema.time_parts] or [(schema.time, schema.time_format)]


def _time_type(kind: str, written: str) -> str:
    """MLflow's word for the times in an answer: text, or numbers where the table writes them as such."""
    if kind == "datetime":
        return "long" if written.endswith(":int") or written.startswith("epoch:") else "string"
    return "long" if kind == "integer" and written != "float" else "double"


def _columns(schema: Schema) -> dict[str, Any]:
    """The columns that a table must have, by role."""
    time = schema.time if not schema.time_parts else list(schema.time_columns)
    roles: dict[str, Any] = {"time": time, "id": list(schema.id), "target": list(schema.target)}
    groups = {"past": schema.past, "future": schema.future, "static": schema.static}
    return roles | {role: [column.name for column in group] for role, group in groups.items()}
