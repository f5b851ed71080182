"""reference/commands/: a page for each command, made of the help that the command prints."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from tsforge.cli.main import COMMANDS, HELP

HOME = "reference/commands"
SECTION = re.compile(r"^(\S[^\n]*):\n((?: {2,}\S[^\n]*\n)+)", re.MULTILINE)
SAID = re.compile(r"(\[choices: [^]]*\]|\(default: [^()]*(?:\([^()]*\)[^()]*)*\)|\[required\])")


class Entry(NamedTuple):
    """An option, an argument or a command below a command, and what is said of it."""

    name: str
    text: str


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The pages, and one that lists them."""
    for name in COMMANDS:
        files.append(File.generated(config, f"{HOME}/{name}.md", content=page(name)))
    lines = ["# Commands", "", "`tsforge COMMAND --help` prints what stands on these pages.", "", "| | |", "|---|---|"]
    lines += [f"| [`tsforge {name}`]({name}.md) | {_cell(text)} |" for name, text in COMMANDS.items()]
    files.append(File.generated(config, f"{HOME}/index.md", content="\n".join(lines)))
    return files


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Each command below the page that lists them, in the order of `tsforge --help`."""
    for part in config.nav or []:
        for entries in part.values():
            for entry in entries if isinstance(entries, list) else ():
                if isinstance(entry, dict) and entry.get("Commands") == f"{HOME}/index.md":
                    entry["Commands"] = [f"{HOME}/index.md", *({f"tsforge {n}": f"{HOME}/{n}.md"} for n in COMMANDS)]
    return config


def page(name: str) -> str:
    """The help of a command as Markdown: a table for each of its lists."""
    text = (HELP / f"{name}.txt").read_text(encoding="utf-8")
    usage, _, rest = text.partition("\n\n")
    around = SECTION.split(rest)  # text, title, inside, text, title, inside, text
    lines = [f"# tsforge {name}", "", "```text", usage.removeprefix("Usage: "), "```", "", _escaped(around[0].strip())]
    for title, inside in zip(around[1::3], around[2::3], strict=True):
        lines += ["", f"## {_escaped(title)}", ""]
        code = title.startswith("Example")
        lines += ["```text", *map(str.strip, inside.splitlines()), "```"] if code else _table(entries(inside))
    return "\n".join(lines) + "\n"


def entries(inside: str) -> list[Entry]:
    """What a list of the help holds: entries begin two spaces in, and go on further to the right."""
    found: list[Entry] = []
    for line in inside.splitlines():
        if line.startswith("   ") and found:
            found[-1] = Entry(found[-1].name, f"{found[-1].text} {line.strip()}".strip())
            continue
        name, *text = re.split(r" {2,}", line.strip().removeprefix("* ").strip(), maxsplit=1)
        found.append(Entry(name, "".join(text)))
    return found


def _table(listed: list[Entry]) -> list[str]:
    rows = []
    for entry in listed:
        said = SAID.findall(entry.text)
        text = SAID.sub("", entry.text).strip()
        names = " ".join(f"`{part}`" for part in re.findall(r"--\S+|-\w\b|[^\s-]\S*", entry.name))
        rows.append(f"| {names} | {_cell(text)} | {_cell('; '.join(part.strip('()[]') for part in said))} |")
    return ["| | what it is | default, choices |", "|---|---|---|", *rows]


def _cell(text: str) -> str:
    return _escaped(text).replace("|", "\\|")


def _escaped(text: str) -> str:
    """Without what Markdown would take for a sign of its own; code in backticks stays."""
    parts: list[Any] = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([*_<\[\]$~])", r"\\\1", part) for part in parts)
