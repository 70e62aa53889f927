"""Which device to run on, and what it does fast."""

import ctypes
import platform
from pathlib import Path

import torch

from draem_core.errors import DraemError

# what decides how fast a network runs, and what torch calls it; any of the names will do
_X86_FEATURES = {
    "AVX2": ("avx2",),
    "AVX-512": ("avx512_f", "avx512"),
    "bfloat16": ("avx512_bf16", "amx_bf16"),
    "AMX": ("amx_tile",),
}
_ARM_FEATURES = {"NEON": ("neon",), "SVE": ("sve",), "bfloat16": ("bf16",)}


def pick_device(name: str) -> torch.device:
    """Return the device called ``name``; "auto" takes cuda, then mps, then cpu.

    Raises:
        DraemError: this machine or this torch has no such device.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise DraemError(f"The device {name!r} cannot be used here. Take one of: {', '.join(devices())}.") from error
    return device


def devices() -> list[str]:
    """Return the names of the devices that this machine has, the quickest first."""
    found = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]


def has_fast_bfloat16(device: torch.device) -> bool:
    """Tell whether the device computes in bfloat16 natively; elsewhere it is slower than float32."""
    if device.type == "cuda":
        supported: bool = torch.cuda.is_bf16_supported(including_emulation=False)
        return supported
    if device.type == "cpu":
        return any(map(_processor_has, _X86_FEATURES["bfloat16"]))  # on Arm nobody has measured it yet
    return False


def processor_features() -> dict[str, bool]:
    """Return whether the processor has AVX2, AVX-512, bfloat16 and AMX, on Arm NEON, SVE and bfloat16: torch's word."""
    features = _ARM_FEATURES if platform.machine().lower() in ("arm64", "aarch64") else _X86_FEATURES
    return {feature: any(map(_processor_has, names)) for feature, names in features.items()}


def _processor_has(name: str) -> bool:
    """Ask torch, by its name for a feature. How to ask differs between torch versions; one that cannot say: False."""
    if hasattr(torch.cpu, "get_capabilities"):
        return bool(torch.cpu.get_capabilities().get(name, False))
    return bool(getattr(torch.cpu, f"_is_{name}_supported", lambda: False)())


def describe_machine() -> str:
    """Return the accelerator's or the processor's name and how many threads torch uses."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return f"{model or platform.machine()}, {torch.get_num_threads()} threads"


def keep_freed_memory() -> None:
    """Tell glibc not to hand freed tensors back to the system.

    Training frees and takes the same gigabytes at every step; mapping them anew each time costs up to half
    of the step on a CPU. Does nothing on other C libraries.
    """
    m_trim_threshold, m_top_pad, m_mmap_max = -1, -2, -4  # malloc.h
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mallopt(m_mmap_max, 0)
    mallopt(m_trim_threshold, 2**31 - 1)
    mallopt(m_top_pad, 2**29)
