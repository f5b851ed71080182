"""A table that is too large for memory as one panel on disk: found where it was made, else made piece by piece."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tsforge.data.mapped import inputs, joining, notes, pieces, store
from tsforge.data.mapped.inputs import Input
from tsforge.data.mapped.pieces import Made, Piece
from tsforge.data.mapped.settling import SAMPLES, Settled, sample, settle
from tsforge.data.panel import Panel
from tsforge.data.schema import DataConfig, Schema
from tsforge.data.table import spreading
from tsforge.data.table.folder import Part
from tsforge.errors import DataError
from tsforge.runtime import drafts, files, home, progress

log = logging.getLogger("tsforge")
_HELD: list[int | None] = []  # locks of the panels that this process has mapped, by which nobody removes them


def wanted(source: Any, config: DataConfig) -> bool:
    """Whether the panel of a table is to lie on disk: as asked for, else by what it takes of the free memory.

    Raises DataError where that is asked for a table that it cannot be made of.
    """
    path = Path(source) if isinstance(source, str | Path) else None
    if config.hierarchy:
        if config.mapped:
            raise DataError("a hierarchy is summed in memory, not in a panel on disk", "leave out data.mapped")
        return False
    if config.mapped is None:
        return path is not None and path.exists() and inputs.is_large(path)
    if config.mapped and (path is None or not path.exists() or not inputs.is_parquet(path)):
        name = path if path is not None else "the data frame"
        hint = "write the table as Parquet, or leave out data.mapped"
        raise DataError(f"{name}: only Parquet files become a panel on disk (data.mapped)", hint)
    return config.mapped


def first_rows(source: Any, config: DataConfig) -> Any:
    """The first rows of a table whose panel is to lie on disk, for who needs a few of its windows; others as they are.

    config: of a model of this table, or of another.
    """
    path = Path(source) if isinstance(source, str | Path) else None
    if path is None or not path.exists() or config.mapped is False or not inputs.is_parquet(path):
        return source
    if config.mapped is None and not inputs.is_large(path):
        return source
    table = inputs.of(path)
    if table.total <= SAMPLES[0]:
        return source
    log.warning("%s: the first %s of %s rows are read", path, f"{SAMPLES[0]:,}", f"{table.total:,}")
    return sample(table, SAMPLES[0])


def panel(source: Path, config: DataConfig, schema: Schema | None = None) -> Panel:
    """The panel of a Parquet file or a folder of such files, mapped into memory.

    It is made once and kept in .tsforge/, or where `config.cache` says; a table that has changed, or a panel that is
    damaged, makes it anew. What a killed process finished of it is not made again.
    schema: of a model, as which the table is read; as its first rows show where None.
    Raises DataError as `table.load` does.
    """
    table = inputs.of(source)
    settled = settle(table, config) if schema is None else Settled(schema, [])
    return of_table(table, settled, config)[0]


def of_table(table: Input, settled: Settled, config: DataConfig) -> tuple[Panel, tuple[str, ...]]:
    """The panel of a table whose columns are settled, and the series of which nothing is observed."""
    place = inputs.place(table.source, config)
    folder = place / inputs.key(table.source, settled.schema, config)
    try:
        home.around(place)
        place.mkdir(parents=True, exist_ok=True)
        with _alone(place / f".{folder.name}.lock"):
            found = _found(table, folder)
            if found is None:
                _build(table, settled, config, folder)
                _HELD.append(drafts.share(folder))
                found = store.read(folder)
    except OSError as problem:
        text = f"{place}: no panel can be written there: {problem.strerror or problem}"
        raise DataError(text, "make room, or name another folder: data.cache") from None
    about = store.about(folder)
    notes.tell(settled.notes, about["said"])
    joining.tell(found, about)
    return found, tuple(about["empty"])


def _found(table: Input, folder: Path) -> Panel | None:
    """The panel that was made before; None where there is none, or not of these files."""
    if not folder.is_dir():
        return None
    _HELD.append(drafts.share(folder))
    try:
        about = store.about(folder)
        now = table.files(about["files"])
        if [(f["name"], f["sha256"]) for f in now] != [(f["name"], f["sha256"]) for f in about["files"]]:
            log.info("%s has changed since %s was made of it, which is made anew", table.source, folder)
            return None
        panel = store.read(folder)
        if now != about["files"]:  # files were copied or touched
            store.rewrite(folder, about | {"files": now})
    except (store.DamagedError, KeyError) as problem:
        log.warning("%s is damaged and is made anew: %s", folder, problem)
        return None
    log.info("the panel in %s is used, made of the same files before", folder)
    return panel


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time makes a panel; others wait for it. Where the file system has no locks, nobody waits."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("another process makes this panel: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            pass
        yield


def _build(table: Input, settled: Settled, config: DataConfig, folder: Path) -> None:
    """Make the panel of a table in a folder, by way of pieces that stay until it is whole."""
    work = folder.with_name(f"{folder.name}.work")
    work.mkdir(exist_ok=True)
    schema = settled.schema
    large = max(table.rows) > pieces.MOST
    straddling = None if large else _made(table, pieces.of_files(table), (schema, config), work / "files")
    if isinstance(straddling, str) or straddling is None:
        why = straddling or f"a file has {max(table.rows):,} rows, more than {pieces.MOST:,}"
        log.info("%s, so that the rows of all files are brought together by series first", why)
        shutil.rmtree(work / "files", ignore_errors=True)
        made = _made(table, _spread(table, schema.id, work), (schema, config), work / "series")
        assert not isinstance(made, str)
    else:
        made = straddling
    about = {"files": table.files(), **joining.about(table, made, config)}
    with drafts.beside(folder) as draft:
        joining.join(table, made, schema, draft, about)
        drafts.put(draft, folder)
    shutil.rmtree(work, ignore_errors=True)
    log.info("%s: %s rows of %d files are a panel in %s", table.source, f"{table.total:,}", len(table.parts), folder)


def _made(table: Input, some: Sequence[Piece], of: tuple[Schema, DataConfig], work: Path) -> list[Made] | str:
    """What all pieces became; in place of that, in words, the first series that lies in two of them."""
    made: list[Made] = []
    where: dict[str, str] = {}
    done = 0
    for k, piece in enumerate(some):
        progress.tell("reading", done, table.total)
        made.append(pieces.make(piece, table, of, work / f"piece-{k:05d}"))
        done += piece.rows
        for key in made[-1].facts["keys"]:
            if where.setdefault(key, piece.name) != piece.name:
                label = key.replace("\x1f", " ")
                series = f"series {label} lies" if label else "the one series lies"
                return f"{series} in {where[key]} and in {piece.name}"
    progress.tell("reading", done, table.total)
    return made


def _spread(table: Input, ids: tuple[str, ...], work: Path) -> list[Piece]:
    """Pieces of files in which the rows of each series were brought together; not done again where it was finished."""
    stamps = [[p.name, p.path.stat().st_size, p.path.stat().st_mtime_ns] for p in table.parts]
    folder, marker = work / "spread", work / "spread.json"
    try:
        kept = json.loads(marker.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        kept = {}
    if kept.get("files") != stamps:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        done = [0]

        def then(rows: int) -> None:
            done[0] += rows
            progress.tell("bringing series together", done[0], 2 * table.total)

        sizes = spreading.spread(table.parts, table.whole, ids, (folder, pieces.ROWS), then)
        kept = {"files": stamps, "rows": sizes}
        files.write(marker, json.dumps(kept))
    paths = [folder / spreading.name(k) for k in range(len(kept["rows"]))]
    return [
        Piece(path.name, (Part(path, path.name),), rows, spread=path)
        for path, rows in zip(paths, kept["rows"], strict=True)
    ]
