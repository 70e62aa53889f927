"""What the disk refuses, said with the right way out; names that Windows keeps for itself."""

import errno
import os
from pathlib import Path

import pytest
from small_networks import small_checkpoint

from draem_core.atomic import write_atomically
from draem_core.checkpoints import save_checkpoint
from draem_core.data.images import read_image
from draem_core.disk import is_reserved, remedy
from draem_core.errors import CheckpointError, ImageError
from draem_core.launch.launcher import LaunchError, check_name
from draem_core.report.names import safe_name
from draem_core.runs.run_folder import RunFolder
from draem_core.training.config import ConfigError, TrainConfig

LONG = "x" * 300


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.ENAMETOOLONG, "a shorter name"),
        (errno.EACCES, "you may write to"),
        (errno.ENOTDIR, "a file is in the way"),
        (errno.EIO, "check its drive"),
    ],
)
def test_each_refusal_has_its_own_way_out(number, words):
    assert words in remedy(OSError(number, os.strerror(number)))


def test_a_name_that_is_too_long_is_not_a_full_disk(tmp_path):
    checkpoint = small_checkpoint()
    with pytest.raises(CheckpointError, match="give it a shorter name"):
        save_checkpoint(tmp_path / f"{LONG}.safetensors", checkpoint.model, checkpoint.card)
    with pytest.raises(ImageError, match="the name is too long; rename it"):
        read_image(tmp_path / f"{LONG}.png")


def test_the_longest_name_that_the_disk_takes_can_be_written(tmp_path):
    path = tmp_path / ("é" * 120 + "x" * 15)  # 255 bytes
    write_atomically(path, b"content")
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "name", ["con", "CON", "nul.txt", "Aux.tar.gz", "com1", "LPT9.x", "com¹", "con .x", "a.", "a "]
)
def test_windows_own_names(name):
    assert is_reserved(name)


@pytest.mark.parametrize("name", ["console", "com", "com10", "null", "lpt", "a.con", "aux-1", "fabric"])
def test_names_that_only_look_like_them(name):
    assert not is_reserved(name)


@pytest.mark.parametrize("name", ["con", "NUL.1", "lpt1", "com1.a"])
def test_reserved_names_are_no_run_names(name, tmp_path):
    with pytest.raises(LaunchError, match="Windows keeps it for a device"):
        check_name(name)
    with pytest.raises(ConfigError, match="Windows keeps it for a device"):
        RunFolder(tmp_path / name).continued(TrainConfig(data=Path("d"), out=tmp_path / name))


def test_result_files_get_names_that_windows_takes():
    assert safe_name("test/con/NUL.png") == "test/con_/NUL_"
