"""A frame as a file: what the workers of a sweep, which are processes of their own, can read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tsforge.errors import DataError

KEPT = "data-"  # begins the names of such files


def keep(frame: Any, folder: Path, digest: str) -> Path:
    """Write a pandas or Polars frame as Parquet, which keeps its types; its path.

    digest: of its content, which the file is named by, so that another start finds it and other data never replace it.
    Raises DataError where the frame cannot be written.
    """
    path = folder / f"{KEPT}{digest[:12]}.parquet"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    try:
        if hasattr(frame, "collect"):  # Polars' lazy one
            frame = frame.collect()
        elif hasattr(frame, "to_frame"):  # pandas' series
            frame = frame.to_frame()
        if hasattr(frame, "write_parquet"):
            frame.write_parquet(draft)
        else:
            frame.to_parquet(draft)
        draft.replace(path)
    except Exception as problem:
        raise DataError(f"the data frame cannot be written to {path}: {problem}", "name a file instead") from None
    finally:
        draft.unlink(missing_ok=True)
    return path
