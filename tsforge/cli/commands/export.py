"""tsforge export"""

from __future__ import annotations

from typing import Literal

from tsforge.cli.options import Flag, fitted_folder
from tsforge.cli.output import echo, print_json, print_notes
from tsforge.runtime import garbage


def export(
    model: str, data: str | None = None, /, *, output: str, format: Literal["onnx", "pt2"] | None = None,  # noqa: A002
    quantiles: str | None = None, tracking_uri: str | None = None, quiet: Flag = False, json: Flag = False,
) -> int:  # fmt: skip
    """Write a model as one file that forecasts without tsforge, checked against `tsforge predict`.

    Normalisation, corrected intervals and bounds are inside: the values of a window in, its forecast in the same units
    out. A JSON beside the file, of the same name and .json, says how inputs are made of the table's columns.

    Parameters
    ----------
    model
        Folder that `tsforge fit` wrote, or a recorded model: runs:/RUN, models:/NAME@ALIAS, models:/NAME/VERSION.
    data
        Table on whose windows the file is checked, beside random ones. (default: the training data)
    output
        File to write, .onnx or .pt2.
    format
        onnx for ONNX Runtime and others, pt2 for torch.export.load. (default: by the ending of the file)
    quantiles
        Levels that the file gives, as 0.1,0.5,0.9. (default: those the model forecasts)
    tracking_uri
        MLflow store of a recorded model. (default: MLFLOW_TRACKING_URI, else mlflow.db in this folder)
    quiet
        Print no notes.
    json
        Print one JSON document instead of text.
    """
    print_notes(quiet=quiet)
    with garbage.paused():
        from tsforge.cli.commands.predict import levels
        from tsforge.exporting import writing

    wanted = levels(quantiles)
    done = writing.export(fitted_folder(model, tracking_uri), output, form=format, data=data, quantiles=wanted)
    if json:
        print_json(
            {"model": model, "output": str(done.path), "sidecar": str(done.sidecar), "format": done.format,
             "inputs": done.description["inputs"], "outputs": done.description["outputs"], "levels": done.levels,
             "random_windows": done.drawn, "table_windows": done.real, "deviation": done.deviation}
        )  # fmt: skip
        return 0
    size = done.path.stat().st_size / 1e6
    echo(f"{done.path}: {size:.1f} MB; {done.sidecar} says how it is fed")
    for words, tensors in (("in ", done.description["inputs"]), ("out", done.description["outputs"])):
        for name, tensor in tensors.items():
            echo(f"  {words} {name:<9} {tensor['type']:<8} ({', '.join(map(str, tensor['shape']))})")
    where = f"{done.drawn} random windows" + (f" and {done.real} of the table" if done.real else "")
    echo(f"checked against predict on {where}: off by {done.deviation:.1e} of the size of a window at most")
    return 0
