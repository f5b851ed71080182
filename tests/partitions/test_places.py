"""Folders of forecasts in object stores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pyarrow as pa
import pytest

from tests.partitions.conftest import as_one, collected, same, table, write_hive
from tsforge.errors import ConfigError, DataError
from tsforge.partitions import places, running
from tsforge.partitions.running import Report, Request


def run(model: Path, data: str, output: str) -> Report:
    return running.forecast(Request(str(model), data, output, workers=1))


def copied(address: str, folder: Path) -> Path:
    """What lies at an address, as files of this disk."""
    place = places.locate(address)
    for info in place.list():
        if info.is_file:
            name = info.path[len(place.path.rstrip("/")) + 1 :]
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            with place.reading(name) as file:
                (folder / name).write_bytes(file.read())
    return folder


def upload(folder: Path, address: str) -> None:
    place = places.locate(address)
    for path in folder.rglob("*.parquet"):
        place.write(str(path.relative_to(folder)), path.read_bytes())


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An address in a server that answers as S3 does."""
    import boto3
    from moto.server import ThreadedMotoServer

    for name, value in (("ACCESS_KEY_ID", "a"), ("SECRET_ACCESS_KEY", "b"), ("DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="sales")
    yield "s3://sales"
    server.stop()


@pytest.fixture
def memory() -> Iterator[str]:
    """An address in this process's memory."""
    yield "memory://sales"
    fsspec.filesystem("memory").rm("/sales", recursive=True)


@pytest.mark.parametrize("kind", ["memory", "bucket"])
def test_from_store_to_store(kind: str, theta: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Prevents: paths of a store taken for those of a disk, and objects found as missing in a second run."""
    address = request.getfixturevalue(kind)
    upload(write_hive(tmp_path / "d", table()), f"{address}/data")
    assert run(theta, f"{address}/data", f"{address}/forecasts").done == 3
    same(collected(copied(f"{address}/forecasts", tmp_path / "f")), as_one(theta, table()))
    again = run(theta, f"{address}/data", f"{address}/forecasts")
    assert (again.done, again.there) == (0, 3)
    with pytest.raises(DataError, match="a folder without Parquet or CSV files"):
        run(theta, f"{address}/nothing", f"{address}/forecasts")


def test_file_addresses_are_paths(theta: Path, tmp_path: Path) -> None:
    data = write_hive(tmp_path / "d", table())
    assert run(theta, f"file://{data}", f"file://{tmp_path}/f").done == 3
    assert run(theta, str(data), str(tmp_path / "f")).there == 3


def test_a_file_is_put_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevents: half a file under the name of a whole one, as after a full disk."""
    place = places.locate(tmp_path)
    place.write("a/b.parquet", b"one")

    def full(path: Path, content: bytes) -> None:
        with path.open("wb") as file:
            file.write(content[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ConfigError, match=r"a/b\.parquet: cannot be written: No space left"):
        place.write("a/b.parquet", pa.py_buffer(b"other"))
    assert [(p.name, p.read_text()) for p in (tmp_path / "a").iterdir()] == [("b.parquet", "one")]


def test_unknown_addresses() -> None:
    with pytest.raises(ConfigError, match="nosuch"):
        places.locate("nosuch://x/y")
