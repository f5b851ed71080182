"""Folders and files of local disks and object stores, by one interface: that of Arrow's file systems."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from tsforge.errors import ConfigError, DataError
from tsforge.runtime import files

OWN = ("file", "s3", "s3a", "gs", "gcs", "hdfs", "viewfs", "abfs", "abfss")  # that Arrow reads by itself
MEMORY = "memory"  # of one process


@dataclass(frozen=True)
class Place:
    """A folder or a file.

    address: as it is named to another process; of a local place its absolute path.
    path: of it within its file system.
    """

    address: str
    path: str

    @property
    def scheme(self) -> str:
        """As "s3"; "file" of a local place."""
        return self.address.partition("://")[0] if "://" in self.address else "file"

    @property
    def local(self) -> bool:
        return self.scheme == "file"

    @property
    def files(self) -> Any:
        """Its file system, one of Arrow's."""
        return _system(self.address)[0]

    def within(self, relative: str) -> str:
        """The path of what lies in this folder."""
        return f"{self.path.rstrip('/')}/{relative}" if relative else self.path

    def shown(self, relative: str) -> str:
        """What lies in this folder, in words."""
        base, _, query = self.address.partition("?")
        return f"{base.rstrip('/')}/{relative}" if relative else base if query else self.address

    def info(self, relative: str = "") -> Any:
        """Arrow's FileInfo of what lies in this folder."""
        try:
            return self.files.get_file_info(self.within(relative))
        except OSError as problem:
            raise _unreachable(self.shown(relative), problem) from None

    def list(self) -> list[Any]:
        """Arrow's FileInfo of all that lies in this folder and below it; of nothing where it is not there."""
        from pyarrow import fs

        try:
            return list(self.files.get_file_info(fs.FileSelector(self.path, recursive=True, allow_not_found=True)))
        except OSError as problem:
            raise _unreachable(self.address, problem) from None

    @contextmanager
    def reading(self, relative: str = "") -> Iterator[Any]:
        """A file to read from at any position."""
        try:
            file = self.files.open_input_file(self.within(relative))
        except FileNotFoundError:
            raise DataError(f"{self.shown(relative)}: no such file", "it was there a moment ago: run again") from None
        except OSError as problem:
            raise _unreachable(self.shown(relative), problem) from None
        with file:
            yield file

    def write(self, relative: str, content: Any) -> None:
        """Put a file at its place whole or not at all, and the folders above it; content: bytes or Arrow's buffer.

        On a disk it is written aside and renamed. An object of a store is not there until all of it has arrived.
        """
        try:
            if self.local:
                path = Path(self.within(relative))
                path.parent.mkdir(parents=True, exist_ok=True)
                with files.replacing(path) as draft:
                    draft.write_bytes(content)
                return
            if self.scheme != "s3":
                self.files.create_dir(self.within(relative).rpartition("/")[0], recursive=True)
            with self.files.open_output_stream(self.within(relative)) as stream:
                stream.write(content)
        except OSError as problem:
            text = problem.strerror or str(problem).partition("\n")[0]
            raise ConfigError(
                f"{self.shown(relative)}: cannot be written: {text}", "see to it, and run again"
            ) from None


def locate(address: str | Path) -> Place:
    """The place of an address: a path, or file://, s3://, gs://, memory:// and what else Arrow or fsspec know.

    Settings of a store stand behind it, as in s3://bucket/sales?region=eu-central-1, or in its usual variables.
    Raises ConfigError where it is no address of a file system.
    """
    text = os.fspath(address)
    if text.startswith("file://"):
        text = _system(text)[1]
    if "://" not in text:
        text = str(Path(text).absolute())
    return Place(text, _system(text)[1])


def _system(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path within it."""
    return _opened(_with_endpoint(address) if address.startswith("s3://") else address)


@lru_cache(maxsize=64)
def _opened(address: str) -> tuple[Any, str]:
    from pyarrow import fs

    if "://" not in address:
        return fs.LocalFileSystem(), address
    scheme = address.partition("://")[0]
    try:
        if scheme in OWN:
            return tuple(fs.FileSystem.from_uri(address))
        import fsspec

        system, path = fsspec.core.url_to_fs(address)
    except (ValueError, ImportError, OSError) as problem:
        text = str(problem).partition("\n")[0]
        raise ConfigError(f"{address}: {text}", "name a path, or an address as s3://bucket/folder") from None
    return fs.PyFileSystem(fs.FSSpecHandler(system)), path


def _with_endpoint(address: str) -> str:
    """An address of S3 with the endpoint of AWS_ENDPOINT_URL, where it names none itself."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if not endpoint or "endpoint_override=" in address:
        return address
    scheme, _, host = endpoint.rpartition("://")
    sign = "&" if "?" in address else "?"
    return f"{address}{sign}scheme={scheme or 'https'}&endpoint_override={host.rstrip('/')}"


def _unreachable(shown: str, problem: OSError) -> DataError:
    text = problem.strerror or str(problem).partition("\n")[0]
    return DataError(f"{shown}: cannot be read: {text}", "check the address and the right to read there")
