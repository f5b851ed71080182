"""A notebook as a page: it is run while the site is built, and what its cells show stands below them.

It is stored without outputs, so that what the page shows is what this version says.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

NOTEBOOK = "tutorial/in-python.ipynb"
SHOWN = ("image/png", "text/html", "text/plain")  # of what a cell shows in several forms, the first that is there
_done: dict[str, tuple[str, dict[str, bytes]]] = {}  # by what the notebook holds, while a server runs


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The page, its pictures, and the files that the notebook wrote."""
    source = Path(config.docs_dir, NOTEBOOK)
    key = hashlib.sha256(source.read_bytes()).hexdigest()
    if key not in _done:
        _done[key] = page(source)
    text, others = _done[key]
    home = NOTEBOOK.removesuffix(".ipynb")
    files.append(File.generated(config, f"{home}.md", content=text))
    for name, content in others.items():
        files.append(File.generated(config, f"{Path(NOTEBOOK).parent}/{name}", content=content))
    return files


def page(source: Path) -> tuple[str, dict[str, bytes]]:
    """The notebook as Markdown, and its pictures and .html files by name."""
    others: dict[str, bytes] = {}
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for cell in run(source, folder).cells:
            if cell.cell_type == "markdown":
                lines += [cell.source, ""]
                continue
            lines += ["```python", cell.source, "```", ""]
            if said := _said(cell.outputs):
                lines += ["```text", said, "```", ""]
            for output in cell.outputs:
                lines += _shown(output, f"{source.stem}-{len(others) + 1}.png", others)
        for path in sorted(Path(folder).glob("*.html")):
            others[path.name] = path.read_bytes()
    return "\n".join(lines), others


def run(source: Path, folder: str) -> Any:
    """The notebook with its outputs, run in a folder. Raises nbclient's CellExecutionError where a cell does."""
    import nbformat
    from nbclient import NotebookClient
    from traitlets.config import Config

    notebook = nbformat.read(source, as_version=4)
    kept = {name: os.environ.pop(name, None) for name in ("MLFLOW_TRACKING_URI",)}
    os.environ["PYTHONPATH"] = os.pathsep.join([str(source.parents[2]), os.environ.get("PYTHONPATH", "")])
    try:
        # Sockets that are files: no port is opened.
        sockets = Config({"KernelManager": {"transport": "ipc", "ip": f"{folder}/kernel"}})
        place = {"metadata": {"path": folder}}
        NotebookClient(notebook, config=sockets, kernel_name="python3", timeout=120, resources=place).execute()
    finally:
        os.environ.update({name: value for name, value in kept.items() if value is not None})
    return notebook


def _said(outputs: list[Any]) -> str:
    """What a cell has printed, as it stands in the end: lines of progress are written over."""
    text = "".join(output.text for output in outputs if output.output_type == "stream")
    lines = [line.rpartition("\r")[2] for line in re.sub(r"\x1b\[\w", "", text).split("\n")]
    return "\n".join(lines).strip()


def _shown(output: Any, name: str, others: dict[str, bytes]) -> list[str]:
    if output.output_type == "stream":
        return []
    kind = next(kind for kind in SHOWN if kind in output.data)
    if kind == "image/png":
        others[name] = base64.b64decode(output.data[kind])
        return [f"![What the cell above shows]({name})", ""]
    if kind == "text/html":
        return ['<div class="output">', "".join(output.data[kind]).replace("\n\n", "\n"), "</div>", ""]
    return ["```text", output.data[kind], "```", ""]
