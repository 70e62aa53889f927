"""Devices, atomic writes and the doctor."""

import os
from types import SimpleNamespace

import pytest
import torch

from draem_core.atomic import write_atomically
from draem_core.commands import doctor
from draem_core.commands.doctor import examine
from draem_core.errors import DraemError
from draem_core.inference import devices as devices_module
from draem_core.inference.devices import devices, has_fast_bfloat16, pick_device, processor_features

CPU = torch.device("cpu")


def test_an_unknown_device_is_refused_with_those_there_are():
    with pytest.raises(DraemError, match="cpu"):
        pick_device("cuda:99")
    with pytest.raises(DraemError, match="'toaster'"):
        pick_device("toaster")
    assert pick_device("cpu") == torch.device("cpu")
    assert devices()[-1] == "cpu"
    assert isinstance(has_fast_bfloat16(torch.device("cpu")), bool)


@pytest.mark.parametrize(
    ("named", "features", "fast"),
    [
        (("avx2",), {"AVX2": True, "AVX-512": False, "bfloat16": False, "AMX": False}, False),
        (("avx2", "avx512_f"), {"AVX2": True, "AVX-512": True, "bfloat16": False, "AMX": False}, False),
        (
            ("avx2", "avx512_f", "avx512_bf16", "amx_tile", "amx_bf16"),
            {"AVX2": True, "AVX-512": True, "bfloat16": True, "AMX": True},
            True,
        ),
    ],
)
def test_features_of_some_processors(monkeypatch, named, features, fast):
    monkeypatch.setattr(devices_module.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: dict.fromkeys(named, True), raising=False)
    assert processor_features() == features
    assert has_fast_bfloat16(CPU) is fast


def test_arm_is_asked_for_its_own_features(monkeypatch):
    monkeypatch.setattr(devices_module.platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"neon": True, "bf16": True}, raising=False)
    assert processor_features() == {"NEON": True, "SVE": False, "bfloat16": True}
    assert not has_fast_bfloat16(CPU)


def test_older_torch_versions_are_asked_in_their_way_and_oldest_cannot_say(monkeypatch):
    monkeypatch.setattr(devices_module.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(torch, "cpu", SimpleNamespace(_is_avx2_supported=lambda: True))
    assert processor_features() == {"AVX2": True, "AVX-512": False, "bfloat16": False, "AMX": False}
    monkeypatch.setattr(torch, "cpu", SimpleNamespace(_is_avx512_bf16_supported=lambda: True))
    assert has_fast_bfloat16(CPU)
    monkeypatch.setattr(torch, "cpu", SimpleNamespace())
    assert not has_fast_bfloat16(CPU)


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


def test_the_doctor_says_what_the_processor_has_and_how_layers_run(monkeypatch):
    monkeypatch.setattr(doctor.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True}, raising=False)
    monkeypatch.setattr(doctor, "onednn_convolves", lambda dtype: dtype == torch.float32)
    facts = examine().facts
    assert facts["processor"] == "x86_64, AVX2, no AVX-512, no bfloat16, no AMX"
    assert facts["float32 layers"] == "oneDNN, fused"
    told = "torch's own convolution in float32, rounded; the oneDNN calls do not work here"
    assert facts["bfloat16 layers"] == facts["float16 layers"] == told
