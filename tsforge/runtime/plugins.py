"""What users add to the package by name: backbones, heads, losses and metrics of their own.

They come from `tsforge.register`, from modules that TSFORGE_PLUGINS names (which call it), and from the entry points of
installed packages. Names of our own never lead here, so that nothing of a user is imported before it is asked for.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import logging
import os
import re
import sys
from collections.abc import Callable, Iterable
from functools import partial
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NamedTuple, cast, get_args

from tsforge.errors import ConfigError, listing, nearest

Kind = Literal["backbone", "head", "loss", "metric"]
GROUPS: dict[Kind, str] = {  # of entry points
    "backbone": "tsforge.backbones", "head": "tsforge.heads", "loss": "tsforge.losses", "metric": "tsforge.metrics",
}  # fmt: skip
VARIABLE = "TSFORGE_PLUGINS"  # modules and .py files with commas between, that call `register`
_INHERITED = "TSFORGE_REGISTERED"  # what was registered by hand, for processes that we start: see `_hand_on`
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
HOW = f"tsforge.register, an installed package, or {VARIABLE}=FILE.py"
log = logging.getLogger("tsforge")

Check = Callable[[str, Any], Any]  # makes of what was registered under a name what we work with, or raises


class UnknownError(ConfigError):
    """A name that nothing is registered under. kind: of thing, in words."""

    def __init__(self, kind: str, name: str, hint: str) -> None:
        super().__init__(f"there is no {kind} '{name}'", hint)
        self.kind, self.name = kind, name


class Added(NamedTuple):
    """What stands under a name. origin: for messages."""

    load: Callable[[], Any]
    origin: str


_added: dict[Kind, dict[str, Added]] = {kind: {} for kind in get_args(Kind)}
_checked: dict[tuple[Kind, str], Any] = {}
_hidden: dict[tuple[Kind, str], str] = {}  # what other processes cannot import, and why
_seen: set[str] = set()  # of VARIABLE, and "" once entry points were looked for


def register(kind: Kind, name: str, thing: Any, check: Check, taken: Iterable[str]) -> None:
    """Put a thing under a name, at once checked. The same thing defined anew, as a notebook does, replaces itself.

    taken: names of our own. Raises ConfigError for a name that is taken, and what `check` raises.
    """
    if not _NAME.fullmatch(name):
        hint = "letters, digits, - and _, with a letter first"
        raise ConfigError(f"'{name}' cannot be the name of a {kind}", hint)
    if name in taken:
        raise ConfigError(f"'{name}' is a name of tsforge's own", f"take another name for your {kind}")
    module, attribute, origin = _home(thing)
    before = _added[kind].get(name)
    if before is not None and before.origin != origin:
        raise ConfigError(f"there is a {kind} '{name}' already: {before.origin}", "take another name")
    made = check(name, thing)
    _added[kind][name], _checked[kind, name] = Added(lambda: thing, origin), made
    shared = before is not None and (kind, name) not in _hidden
    _hidden.pop((kind, name), None)
    if module is None or module.__name__ == "__main__":
        _hidden[kind, name] = "is defined in this script or notebook"
    elif not _importing:
        if attribute or shared or _is_beginning(module):
            _hand_on(f"{kind}:{name}", module, attribute, origin)
        else:
            _hidden[kind, name] = "has no name in its module, as a functools.partial has none"


def names(kind: Kind) -> tuple[str, ...]:
    """Everything that is registered."""
    _look()
    return tuple(_added[kind])


def find(kind: Kind, name: str, check: Check) -> Any:
    """What is registered under a name, checked; None where nothing is. Raises ConfigError where it is of no use."""
    if (kind, name) not in _checked:
        _look()
        if name not in _added[kind]:
            return None
        added = _added[kind][name]
        try:
            _checked[kind, name] = check(name, added.load())
        except ConfigError:
            raise
        except Exception as problem:
            what = f"the {kind} '{name}' cannot be loaded from {added.origin}: {type(problem).__name__}: {problem}"
            raise ConfigError(what, "mend that package, or uninstall it") from problem
    return _checked[kind, name]


def every(kind: Kind, check: Check) -> dict[str, Any]:
    """Everything that is registered, by name; what is of no use is left out with a warning, once."""
    found = {}
    for name in names(kind):
        try:
            found[name] = find(kind, name, check)
        except ConfigError as problem:
            del _added[kind][name]
            log.warning("left out: %s (%s)", problem.message, problem.hint)
    return found


def unknown(kind: str, name: str, own: Iterable[str]) -> UnknownError:
    """The error of a name that is neither among our own nor registered. kind: in words."""
    known = [*own, *names("backbone" if kind == "model" else cast("Kind", kind))]
    return UnknownError(kind, name, nearest(name, known) or f"known: {listing(known, 99)}; for one of your own: {HOW}")


def ready() -> None:
    """Import what the process that started this one had registered, before objects that it sends are read."""
    _look()
    for entry, root, *_ in json.loads(os.environ.get(_INHERITED, "{}")).values():
        with contextlib.suppress(Exception):  # of what is used and missing `find` speaks
            _import(entry, root)


def check_shared(used: Iterable[tuple[Kind, str]]) -> None:
    """Raises ConfigError for what processes of our own cannot import, before they are started."""
    for kind, name in used:
        if (kind, name) in _hidden:
            what = f"the {kind} '{name}' {_hidden[kind, name]}, and other processes cannot see it"
            hint = "put it into a module of its own as a function or class, with its tsforge.register, and import that"
            raise ConfigError(what, hint)


_importing: list[str] = []  # what of VARIABLE is being imported


def _look() -> None:
    """Import what VARIABLE names, and list what we inherit and the entry points of installed packages; each once.

    Raises ConfigError for a module that cannot be imported.
    """
    for entry in filter(None, (part.strip() for part in os.environ.get(VARIABLE, "").split(","))):
        if entry in _seen or entry in _importing:
            continue
        _importing.append(entry)
        try:
            _import(entry)
        except ConfigError:
            raise
        except Exception as problem:
            what = f"{VARIABLE} names {entry}, which cannot be imported: {type(problem).__name__}: {problem}"
            raise ConfigError(what, f"mend it, or take it out of {VARIABLE}") from problem
        finally:
            _importing.remove(entry)
        _seen.add(entry)
    if "" in _seen:
        return
    _seen.add("")
    for key, (entry, root, attribute, origin) in json.loads(os.environ.get(_INHERITED, "{}")).items():
        kind, _, name = cast("tuple[Kind, str, str]", key.partition(":"))
        _added[kind].setdefault(name, Added(partial(_loaded, (entry, root), attribute, (kind, name)), origin))
    for kind, group in GROUPS.items():
        for point in metadata.entry_points(group=group):
            package = point.dist.name if point.dist is not None else "?"
            added = Added(point.load, f"{point.value} of the package {package}")
            if _added[kind].setdefault(point.name, added) is not added:
                log.warning("the %s '%s' of %s is left out: there is one already", kind, point.name, added.origin)


def _loaded(place: tuple[str, str], attribute: str, key: tuple[Kind, str]) -> Any:
    """What another process has registered: an attribute of a module, or what that module registers itself."""
    module = _import(*place)
    if attribute:
        return getattr(module, attribute)
    added = _added[key[0]][key[1]]
    if isinstance(added.load, partial):
        what = f"the {key[0]} '{key[1]}' is not registered by {place[0]} itself"
        raise ConfigError(what, "call tsforge.register in that module")
    return added.load()


def _import(entry: str, root: str = "") -> ModuleType:
    """A module by its name, or a .py file as the module that its folder would give it.

    root: a folder that modules are looked for in, after all others.
    """
    if root and root not in sys.path:
        sys.path.append(root)
    if not entry.endswith(".py"):
        return importlib.import_module(entry)
    path, name = Path(entry).absolute(), Path(entry).stem
    there = sys.modules.get(name)
    if there is not None and Path(there.__file__ or "") == path:
        return there
    if there is not None or not path.is_file():
        why = "there is a module of that name already" if there is not None else "no such file"
        raise ConfigError(f"{entry} cannot be imported: {why}", "give it another name, or its whole path")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _home(thing: Any) -> tuple[ModuleType | None, str, str]:
    """The module that a thing is defined in, its name there ("" where it has none), and what to call it in messages."""
    inner = getattr(thing, "function", thing)  # of a metric
    module = sys.modules.get(getattr(inner, "__module__", ""))
    attribute = next((name for name, value in vars(module).items() if value is thing), "") if module else ""
    what = getattr(inner, "__qualname__", type(inner).__name__)
    return module, attribute, f"{what} of {module.__name__ if module else 'nowhere'}"


def _is_beginning(module: ModuleType) -> bool:
    """Whether a module is being imported: then what it registers now, it registers in other processes too."""
    return getattr(module.__spec__, "_initializing", True)


def _hand_on(key: str, module: ModuleType, attribute: str, origin: str) -> None:
    """Let processes that we start know it too, by their environment: a file by its path, a package's by its name.

    Each with the folder that it was found in: they do not look into that of the script that runs here.
    """
    entry, root, file = module.__name__, "", getattr(module, "__file__", None)
    if file is not None:
        path = Path(file).absolute()
        package = path.name == "__init__.py"
        root = str([path, *path.parents][: entry.count(".") + package + 2][-1])
        if "." not in entry and not package:
            entry = str(path)
    inherited = json.loads(os.environ.get(_INHERITED, "{}"))
    os.environ[_INHERITED] = json.dumps(inherited | {key: [entry, root, attribute, origin]})
