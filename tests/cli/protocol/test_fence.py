"""Tools stay in their folder, wherever paths, links, settings and models lead."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import get_args

import pytest

from tsforge.cli.protocol.fence import PATHS, REFUSED, Fence
from tsforge.config import paths
from tsforge.data.schema import DataConfig
from tsforge.errors import ConfigError, DataError, ModelError
from tsforge.experiment import Experiment, TrainConfig

NO_PATHS = {  # texts that name no file
    "data.time_format", "data.freq", "data.resample", "data.timezone", "name",
}  # fmt: skip


@pytest.fixture
def fence(tmp_path: Path) -> Fence:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root / "folder", outside):
        folder.mkdir(parents=True)
        (folder / "a.csv").write_text("t,y\n1,2\n")
    (root / "here.csv").write_text("t,y\n1,2\n")
    (root / "link.csv").symlink_to(outside / "a.csv")
    (root / "inner.csv").symlink_to(root / "here.csv")
    (root / "linked").symlink_to(outside)
    (root / "folder" / "b.csv").symlink_to(outside / "a.csv")
    return Fence(root)


@pytest.mark.parametrize(
    "word", ["../outside/a.csv", "/etc/passwd", "link.csv", "linked/a.csv", "folder/../../outside/a.csv", "a\0b"]
)
def test_nothing_outside_is_read_or_written(fence: Fence, word: str) -> None:
    for use in (fence.table, fence.model, fence.target):
        with pytest.raises(ConfigError, match=r"outside|NUL"):
            use(word)
    with pytest.raises(ConfigError, match=r"outside|NUL"):
        fence.settings({"data.events": word})


def test_a_folder_with_a_link_that_leaves_it_is_refused(fence: Fence) -> None:
    with pytest.raises(ConfigError, match="a link that leads outside"):
        fence.table("folder")
    (fence.root / "folder" / "b.csv").unlink()
    assert fence.table("folder") == str(fence.root / "folder")


def test_what_lies_inside_is_whole(fence: Fence) -> None:
    assert fence.table("inner.csv") == fence.table("./here.csv") == str(fence.root / "here.csv")
    assert fence.table("air-passengers") == "air-passengers"
    assert fence.target("new/out.csv", (".csv",)) == str(fence.root / "new" / "out.csv")
    assert fence.settings({"data.events": "here.csv", "train.lr": 0.1})["data.events"] == str(fence.root / "here.csv")
    with pytest.raises(DataError, match="no such file"):
        fence.table("s3://bucket/table.parquet")
    for word, said in (("here.csv", "exists already"), (".", "is the folder of the server"), ("out.exe", "an ending")):
        with pytest.raises(ConfigError, match=said):
            fence.target(word, () if word == "." else (".csv",))
    assert fence.target("here.csv", overwrite=True)


def test_models_are_folders_of_models(fence: Fence) -> None:
    assert fence.model("zero") == "zero"
    with pytest.raises(ModelError, match="no folder of a fitted model"):
        fence.model("runs:/0123")
    folder = fence.root / "model"
    folder.mkdir()
    (folder / "experiment.json").write_text(json.dumps({"data": {"cache": "/tmp"}}))
    with pytest.raises(ConfigError, match=r"model: its data.cache is /tmp: lies outside"):
        fence.model("model")
    (folder / "experiment.json").write_text(json.dumps({"data": {"events": "../plan.csv"}, "train": {"start": "m"}}))
    with pytest.raises(ConfigError, match=r"model: its data.events is ../plan.csv: lies outside"):
        fence.model("model")
    (folder / "experiment.json").write_text("{}")
    assert fence.model("model") == str(folder)
    shutil.rmtree(folder)


def test_settings_that_reach_further_are_refused(fence: Fence) -> None:
    for name in REFUSED:
        with pytest.raises(ConfigError, match=f"{name} cannot be set here"):
            fence.settings({name: "x"})
    with pytest.raises(ConfigError, match="holds a table"):
        fence.settings({"data": {"path": "/etc/passwd"}})


@pytest.mark.parametrize("name", ["events", "cache", "start", " data.events", "data.events ", "events\n"])
def test_settings_are_known_by_their_ends_as_well(fence: Fence, name: str) -> None:
    """Prevents: a path that leaves the folder under a name that --set reads as that of another setting."""
    with pytest.raises(ConfigError, match="lies outside"):
        fence.settings({name: "/etc/passwd"})
    with pytest.raises(ConfigError, match=r"data\.path cannot be set here"):
        fence.settings({"path": "/etc/passwd"})
    assert fence.settings({"lr": 0.1}) == {"train.lr": 0.1}


def test_the_name_of_a_setting_holds_no_value(fence: Fence) -> None:
    with pytest.raises(ConfigError, match="holds a ="):
        fence.settings({'data.events="/etc/passwd" #': 1})


def test_experiments_in_toml_are_no_tables(fence: Fence) -> None:
    """Prevents: a file of settings, whose paths lead anywhere, read in place of a table."""
    (fence.root / "protocol.toml").write_text('data.path = "/etc/passwd"\n')
    with pytest.raises(ConfigError, match=r"protocol\.toml: holds settings"):
        fence.table("protocol.toml")


def test_every_setting_that_may_name_a_file_is_known() -> None:
    """Prevents: a new setting with a path in it, which a tool would follow out of its folder."""
    texts = {
        f"{section}.{name}" if section else name
        for section, config in (("", Experiment), ("data", DataConfig), ("train", TrainConfig))
        for name, field in config.model_fields.items()
        if field.annotation is str or (str in get_args(field.annotation) and type(None) in get_args(field.annotation))
    }
    assert texts <= set(paths(Experiment))
    assert texts == {*PATHS, *REFUSED, *NO_PATHS} - {"train.engine", "train.nodes"}
