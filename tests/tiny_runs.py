"""Run folders for the tests of the Epochs page: a real training of a few seconds, and one with synthetic pictures.

Knows no pytest and no Streamlit.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from draem_core.runs.probes import PROBE_COLUMNS, ProbeStore
from draem_core.training.config import TrainConfig
from draem_core.training.labelled import LabelledImages
from draem_core.training.layers import LAYER_COLUMNS
from draem_core.training.loop import train

SIZE = 32
EPOCHS, PROBES = 5, 4


def train_tiny(out: Path, **changes: object) -> Path:
    """Train a network of widths (4, 4) on drawn 32×32 pictures; about 2 s of CPU. Return the run folder."""
    values = {
        **{"data": Path("made/up"), "out": out, "epochs": EPOCHS, "batch_size": 4, "widths": (4, 4), "test_every": 2},
        **{
            "input_size": (SIZE, SIZE),
            "learning_rate": 3e-3,
            "device": "cpu",
            "precision": "float32",
            "probes": PROBES,
        },
    }
    textures = torch.randint(0, 256, (4, 3, SIZE, SIZE), dtype=torch.uint8, generator=_generator(1))
    train(TrainConfig.model_validate(values | changes), _pictures(8, 0), textures, test=labelled())
    return out


def labelled(size: int = SIZE, count: int = 6) -> LabelledImages:
    """Half of the pictures are good; the others have a bright square."""
    images = _pictures(count, 2, size)
    masks = np.zeros((count, size, size), bool)
    masks[count // 2 :, size // 4 : size // 2, size // 4 : size // 2] = True
    images[torch.from_numpy(masks)[:, None].expand_as(images)] = 250
    kinds = tuple("spot" if mask.any() else "good" for mask in masks)
    names = tuple(f"test/{kind}/{index}.png" for index, kind in enumerate(kinds))
    return LabelledImages(names, kinds, np.array([kind == "spot" for kind in kinds]), images, tuple(masks))


def write_noise_run(out: Path, epochs: int, probes: int, size: int, layers: int = 40) -> Path:
    """Write a run folder whose pictures are noise and whose metrics are invented; return it."""
    rng = np.random.default_rng(epochs)
    store = ProbeStore(out / "probes")
    store.save_originals(labelled(size, probes))
    rows, spreads = [], []
    for epoch in range(1, epochs + 1):
        noise = torch.rand(probes, 4, size, size, generator=_generator(epoch))
        store.save_epoch(epoch, noise[:, :3], noise[:, 3], size)
        rows += [(epoch, probe, *rng.random(len(PROBE_COLUMNS) - 2)) for probe in range(probes)]
        spreads += [(epoch, f"encoder.block{layer}.0", *rng.random(3)) for layer in range(layers)]
    pd.DataFrame(rows, columns=list(PROBE_COLUMNS)).to_csv(out / "probes.csv", index=False)
    pd.DataFrame(spreads, columns=list(LAYER_COLUMNS)).to_csv(out / "layers.csv", index=False)
    table = pd.DataFrame({"epoch": range(1, epochs + 1)})
    for column in ("total", "l2", "ssim", "focal", "test_image_auroc", "learning_rate"):
        table[column] = rng.random(epochs)
    (out / "config.json").write_text(json.dumps({"environment": {}}))
    table.to_csv(out / "metrics.csv", index=False)
    return out


def cut_off(run: Path, epoch: int) -> None:
    """Take what came after ``epoch`` away, as if the run had only come so far."""
    for name in ("metrics.csv", "probes.csv", "layers.csv", "steps.csv"):
        table = pd.read_csv(run / name)
        table[table["epoch"] <= epoch].to_csv(run / name, index=False)


def _pictures(count: int, seed: int, size: int = SIZE) -> torch.Tensor:
    rows = torch.linspace(40, 200, size)[:, None].expand(size, size)
    return (rows + torch.rand(count, 3, size, size, generator=_generator(seed)) * 30).clamp(0, 255).byte()


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
