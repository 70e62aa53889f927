"""Tell whether this machine can run the explorer: device, precision, versions, and a small self-test."""

import platform
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import torch

from draem_core.checkpoints import Checkpoint
from draem_core.devices import describe_machine, devices, has_fast_bfloat16, pick_device
from draem_core.inference import Predictor
from draem_core.models import Draem
from draem_core.types import Card

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
