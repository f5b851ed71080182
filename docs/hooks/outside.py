"""Pages of the repository that lie outside docs/, as pages of the site; links between all lead where they do on disk.

A link is written as the repository has it (`../pipelines/README.md`). Here it becomes one within the site: to the page
that the file has become, or, of any other file, to a copy of it.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

PAGES = {  # of the repository: of the site
    "README.md": "index.md",
    "CHANGELOG.md": "project/changes.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security.md",
    "benchmarks/NOTES.md": "project/notes.md",
    "datasets/README.md": "project/datasets.md",
    "mlflow/README.md": "project/mlflow.md",
    "pipelines/README.md": "project/pipelines.md",
    # Pages that are made of what is linked to (the other hooks).
    "docs/tutorial/in-python.ipynb": "tutorial/in-python.md",
    "tsforge/__init__.py": "reference/python.md",
    "tsforge/api/reference.py": "reference/settings.md",
    "tsforge/cli/help": "reference/commands/index.md",
    "tsforge/evaluation/metrics.py": "reference/metrics.md",
}
HOMES = {page: path for path, page in PAGES.items() if page.startswith("project/")}
COPIES = ("LICENSE", "Dockerfile")
LINK = re.compile(r"(^[ ]*```.*?^[ ]*```|`[^`\n]*`)|(\]\()([^)\s]+)(\))", re.DOTALL | re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The pages from outside beside those of docs/."""
    for path, page in PAGES.items():
        if page in HOMES:
            files.append(File.generated(config, page, abs_src_path=_on_disk(path, config)))
    for path in COPIES:
        files.append(File.generated(config, f"project/{path}.txt", abs_src_path=_on_disk(path, config)))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Every link of a page as the site needs it."""
    here = page.file.src_uri
    home = posixpath.dirname(HOMES.get(here, f"docs/{here}"))

    def moved(match: re.Match[str]) -> str:
        if match[1] is not None or re.match(r"[a-z]+:|#|/", match[3]):
            return match[0]
        path, sign, heading = match[3].partition("#")
        found = posixpath.normpath(posixpath.join(home, path))
        if (to := _in_site(found)) is None:
            return match[0]
        return f"{match[2]}{posixpath.relpath(to, posixpath.dirname(here) or '.')}{sign}{heading}{match[4]}"

    return LINK.sub(moved, markdown)


def _in_site(path: str) -> str | None:
    """Where a file or a folder of the repository is on the site; None where it is not, which the check says."""
    if path in COPIES:
        return f"project/{path}.txt"
    return PAGES.get(path) or PAGES.get(f"{path}/README.md") or (path[5:] if path.startswith("docs/") else None)


def _on_disk(path: str, config: MkDocsConfig) -> str:
    return str(Path(config.config_file_path).parent / path)
