"""reference/python.md: what `tsforge` offers, from its signatures and docstrings."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import tsforge
from tsforge.config import Config

GROUPS = {  # of names, in the order in which one needs them; what is in none comes last
    "From a table to a forecast": (
        "fit", "resume", "predict", "backtest", "report", "Fitted", "Predicted", "Backtested",
    ),
    "Tables": ("inspect", "Survey", "datasets", "future", "with_events"),
    "What else a model says": (
        "explain", "Explanation", "covariates", "Importances", "what_if", "Scenarios", "sample", "Samples", "Totals",
        "detect", "Detection",
    ),
    "Models": ("load", "Model", "update", "Update", "export"),
    "Experiments": ("build", "Experiment", "BacktestConfig", "sweep", "Sweep", "compare", "Compared"),
    "Errors": ("TsforgeError",),
}  # fmt: skip
WIDEST = 88


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The page."""
    files.append(File.generated(config, "reference/python.md", content=page()))
    return files


def page() -> str:
    """Every public name once, in groups."""
    known = {name for names in GROUPS.values() for name in names}
    rest = tuple(name for name in tsforge.__all__ if name not in known and not name.startswith("_"))
    groups = GROUPS | ({"More": rest} if rest else {})
    lines = ["# Python", "", inspect.cleandoc(tsforge.__doc__ or "").partition("\n\n")[2].partition("\n\n")[2], ""]
    for title, names in groups.items():
        lines += [f"## {title}", ""]
        for name in names:
            lines += _entry(name, getattr(tsforge, name))
    return "\n".join(lines) + "\n"


def _entry(name: str, thing: Any) -> list[str]:
    lines = [f"### tsforge.{name}", ""]
    if inspect.ismodule(thing):
        lines += documented(thing.__doc__ or "", ())
        for inner, function in inspect.getmembers(thing, inspect.isfunction):
            if function.__module__ == thing.__name__ and not inner.startswith("_"):
                lines += [*_code(signature(f"tsforge.{name}.{inner}", function)), *_doc(function)]
        return lines
    if inspect.isclass(thing):
        return [*lines, *_of_class(thing)]
    return [*lines, *_code(signature(f"tsforge.{name}", thing)), *_doc(thing)]


def _of_class(cls: type) -> list[str]:
    """The docstring of a class, and its public members, those of its bases too."""
    lines = _doc(cls)
    for name, member in _members(cls):
        function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        head = f".{name}" if isinstance(member, property) else signature(f".{name}", function, skip=1)
        doc = inspect.getdoc(function) or ""
        lines += [f"`{head}`" if "\n" not in head else "\n".join(_code(head)), ""]
        lines += [
            f":   {line}" if i == 0 else f"    {line}" if line else ""
            for i, line in enumerate(documented(doc, _names(function)))
        ]
        lines += [""]
    return lines


def _members(cls: type) -> Iterator[tuple[str, Any]]:
    """Public properties and methods that have a docstring, each once."""
    seen: set[str] = set()
    for base in cls.__mro__:
        if not base.__module__.startswith("tsforge") or base is Config:
            continue
        for name, member in vars(base).items():
            plain = getattr(member, "__func__", member)
            documentable = isinstance(member, property) or inspect.isfunction(plain)
            if not name.startswith("_") and name not in seen and documentable and inspect.getdoc(member):
                seen.add(name)
                yield name, member


def signature(name: str, function: Any, skip: int = 0) -> str:
    """A call as it is written, on one line where it fits, else a line for each parameter."""
    found = inspect.signature(function)
    parts: list[str] = []
    keyword = False
    for parameter in list(found.parameters.values())[skip:]:
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword:
            keyword = True
            parts.append("*")
        note = "" if parameter.annotation is parameter.empty else f": {_plain(parameter.annotation)}"
        default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
        parts.append(f"{parameter.name}{note}{default if note else default.replace(' ', '')}")
    back = "" if found.return_annotation is found.empty else f" -> {_plain(found.return_annotation)}"
    line = f"{name}({', '.join(parts)}){back}"
    if len(line) <= WIDEST:
        return line
    return "\n".join([f"{name}(", *(f"    {part}," for part in parts), f"){back}"])


def _plain(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


def _doc(thing: Any) -> list[str]:
    return documented(inspect.getdoc(thing) or "", _names(thing))


def _names(thing: Any) -> tuple[str, ...]:
    """What lines of a docstring may begin with: parameters, or the fields of a class."""
    if inspect.isclass(thing):
        if issubclass(thing, Config):
            return tuple(thing.model_fields)
        return tuple(field.name for field in dataclasses.fields(thing)) if dataclasses.is_dataclass(thing) else ()
    return tuple(inspect.signature(thing).parameters)


def documented(doc: str, names: tuple[str, ...]) -> list[str]:
    """A docstring as Markdown: "name: ..." as a list, Python as code, all else as it is."""
    lines: list[str] = []
    for block in re.split(r"\n\s*\n", inspect.cleandoc(doc)):
        if _is_code(block):
            lines += _code(textwrap.dedent(block))
            continue
        listed = False
        for piece in _pieces(block, names):
            name, sign, text = piece.partition(": ")
            item = bool(sign) and all(part in names for part in name.split(", "))
            if not item and listed:
                lines.append("")
            lines.append(f"- **{name}**: {_safe(text)}" if item else _safe(piece))
            listed = item
            if not item:
                lines.append("")
        lines.append("")
    return lines


def _pieces(block: str, names: tuple[str, ...]) -> list[str]:
    """A paragraph cut where an entry, or a sentence behind one, begins."""
    pieces: list[str] = []
    for line in block.splitlines():
        begins = re.match(r"((?:\w+, )*\w+): ", line)
        entry = bool(begins and all(part in names for part in begins[1].split(", ")))
        ended = (
            bool(pieces) and pieces[-1].endswith(".") and not line.startswith(" ") and bool(re.match(r"[A-Z`]", line))
        )
        if entry or ended or not pieces:
            pieces.append(line.strip())
        else:
            pieces[-1] += f" {line.strip()}"
    return pieces


def _is_code(block: str) -> bool:
    try:
        tree = ast.parse(textwrap.dedent(block))
    except SyntaxError:
        return False
    return bool(tree.body) and any(sign in block for sign in "(=")


def _code(text: str) -> list[str]:
    return ["```python", text, "```", ""]


def _safe(text: str) -> str:
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([*<\[\]$])", r"\\\1", part) for part in parts)
