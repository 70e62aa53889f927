"""Tell whether this machine can run the explorer: device, precision, versions, and a small self-test."""

import platform
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import torch

from draem_core.checkpoints import Checkpoint
from draem_core.inference import Predictor
from draem_core.inference.devices import describe_machine, devices, has_fast_bfloat16, pick_device, processor_features
from draem_core.methods.draem import Draem
from draem_core.methods.draem.fused import onednn_convolves
from draem_core.types import Card

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
PACKAGES = ("torch", "streamlit", "numpy", "scikit-image", "kornia", "pillow")


@dataclass(frozen=True)
class DoctorReport:
    """facts: name → value, for a table; verdict: one sentence; healthy: the self-test passed."""

    facts: dict[str, str]
    verdict: str
    healthy: bool


def examine() -> DoctorReport:
    """Look at the machine and compare a small network's fast path with plain float32."""
    device = pick_device("auto")
    facts = {
        "machine": describe_machine(),
        "processor": ", ".join([platform.machine(), *_yes_or_no(processor_features())]),
        **{f"{name} layers": _layers_run(dtype) for name, dtype in _DTYPES.items()},
        "devices": ", ".join(devices()),
        "fast bfloat16": "yes" if has_fast_bfloat16(device) else "no",
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }
    torch.manual_seed(0)
    checkpoint = Checkpoint(Draem((8, 4)).eval().requires_grad_(False), _card(), files=())
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    plain = Predictor(checkpoint, device="cpu", precision="float32").predict(image)
    fast = Predictor(checkpoint, device="auto", precision="auto")
    facts["precision"] = fast.precision_note
    moved = float(np.abs(fast.predict(image).anomaly_map - plain.anomaly_map).max())
    healthy = moved <= 5e-3
    verdict = (
        f"Self-test passed: the map on {device} moves by {moved:.1e} against plain float32."
        if healthy
        else f"Self-test FAILED: the map on {device} moves by {moved:.1e}. Use --device cpu --precision float32."
    )
    return DoctorReport(facts, verdict, healthy)


def _yes_or_no(features: dict[str, bool]) -> list[str]:
    return [feature if there else f"no {feature}" for feature, there in features.items()]


def _layers_run(dtype: torch.dtype) -> str:
    """Tell how a fast network's layers run on the processor (see `draem_core.methods.draem.fused`)."""
    if onednn_convolves(dtype):
        return "oneDNN, fused"
    rounded = "" if dtype == torch.float32 else " in float32, rounded"
    return f"torch's own convolution{rounded}; the oneDNN calls do not work here"


def _card() -> Card:
    return Card(
        name="self-test",
        flavour="ours",
        widths=(8, 4),
        input_size=(64, 64),
        resize_filter="bilinear_antialias",
        color_order="RGB",
        concat_order="image_first",
        score_rule="max",
    )
