"""Pages in HTML: one file with everything inside, every text escaped, readable on a phone, in the dark and on paper.

Reports of models, sweeps and comparisons have their templates beside them; what all share is in `templates/` here.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tsforge.plotting.style import PAGE

SHARED = Path(__file__).parent / "templates"


def render(templates: Path, name: str, values: Mapping[str, Any]) -> str:
    """The text of a page. templates: the folder of its template, which extends base.html. values: what it names."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([templates, SHARED]), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    palette = {
        mode: " ".join(f"--{key}: {colour};" for key, colour in colours.items()) for mode, colours in PAGE.items()
    }
    return environment.get_template(name).render({"palette": palette, **values})


def embedded(values: Any) -> str:
    """Values as JSON that cannot end the script it stands in."""
    text = json.dumps(values, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def image(path: Path) -> dict[str, Any]:
    """A PNG as it stands in a page: its data, and its width and height in pixels."""
    content = path.read_bytes()
    width, height = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))  # of its header
    return {"data": base64.b64encode(content).decode(), "width": width, "height": height}
