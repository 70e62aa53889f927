"""Devices, atomic writes and the doctor."""

import os

import pytest
import torch

from draem_core.atomic import write_atomically
from draem_core.devices import devices, has_fast_bfloat16, pick_device
from draem_core.doctor import examine
from draem_core.errors import DraemError


def test_an_unknown_device_is_refused_with_those_there_are():
    with pytest.raises(DraemError, match="cpu"):
        pick_device("cuda:99")
    with pytest.raises(DraemError, match="'toaster'"):
        pick_device("toaster")
    assert pick_device("cpu") == torch.device("cpu")
    assert devices()[-1] == "cpu"
    assert isinstance(has_fast_bfloat16(torch.device("cpu")), bool)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = write_atomically(tmp_path / "sub" / "file.txt", b"old")

    def fail(file):
        file.write(b"half of the n")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_atomically(path, fail)
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == ["file.txt"]  # noqa: PTH208
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"


def test_the_doctor_finds_this_machine_fit():
    report = examine()
    assert report.healthy
    assert report.facts["torch"].startswith("2.")
    assert "passed" in report.verdict
