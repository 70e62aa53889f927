"""The demo dataset: two categories drawn by our own code, offline, the same to the last bit for the same seed.

A woven fabric and a turned metal part, in MVTec layout. Each picture has a random stream of its own, named by
(seed, category, split, kind, index), so that none depends on the order of drawing.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from PIL import Image

from draem_core.data.demo.canvas import Canvas, stream
from draem_core.data.demo.drawing import Drawing, Scene, draw
from draem_core.data.demo.fabric import FabricScene
from draem_core.data.demo.fabric_faults import FABRIC_FAULTS
from draem_core.data.demo.metal import MetalScene
from draem_core.data.demo.metal_faults import METAL_FAULTS
from draem_core.errors import DatasetError
from draem_core.inference.devices import keep_freed_memory

ProgressCallback = Callable[[int, int], None]

_SIGNATURE = "Drawn by `python -m draem_core demo`"  # begins the README of a folder that may be replaced


@dataclass(frozen=True)
class Category:
    """``scene`` draws a good part's variation, ``faults`` a fault of a kind: (generator, strength in [0, 1])."""

    name: str
    scene: Callable[[Generator], Scene]
    faults: Mapping[str, Callable[[Generator, float], Any]]


CATEGORIES = (
    Category("fabric", FabricScene.draw, FABRIC_FAULTS),
    Category("metal", MetalScene.draw, METAL_FAULTS),
)


@dataclass(frozen=True)
class _ImageJob:
    """One picture to draw."""

    category: Category
    split: str
    kind: str
    index: int
    strength: float

    @property
    def name(self) -> str:
        return f"{self.index:03d}.png"


def make_demo(
    out: Path,
    *,
    seed: int = 0,
    good_train: int = 120,
    good_test: int = 30,
    per_defect: int = 12,
    size: int = 256,
    on_progress: ProgressCallback | None = None,
) -> list[Path]:
    """Write ``out/fabric`` and ``out/metal`` and return the two folders; one that is complete is left as it is.

    Args:
        seed: the same one gives the same pictures.
        good_train, good_test, per_defect: how many pictures of each; defects go evenly from obvious to barely visible.
        size: side of the pictures in pixels.
        on_progress: called with (pictures done, pictures in all).

    Raises:
        DatasetError: ``out`` holds something else; nothing is touched.
        OSError: no permission or no space; a half-drawn set is left under a name that begins with a dot.
    """
    folders = [out / category.name for category in CATEGORIES]
    label = f"seed {seed}, {good_train} + {good_test} good, {per_defect} of each defect, {size} px"
    note = out / "README.txt"
    described = note.read_text(encoding="utf-8") if note.is_file() else ""
    if label in described and all(folder.is_dir() for folder in folders):
        return folders
    if not described.startswith(_SIGNATURE) and out.is_dir() and any(out.iterdir()):
        raise DatasetError(f"{out} holds files that are not the demo's. Name an empty or new folder with --out.")
    unfinished = out.with_name(f".{out.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    jobs = list(_jobs(good_train, good_test, per_defect))
    draw_order = partial(_draw_to_disk, root=unfinished, seed=seed, size=size)
    with ProcessPoolExecutor(min(4, os.cpu_count() or 1), initializer=keep_freed_memory) as pool:
        for done, _ in enumerate(pool.map(draw_order, jobs, chunksize=8), start=1):
            if on_progress:
                on_progress(done, len(jobs))
    text = f"{_SIGNATURE} ({label}). Delete this folder to draw it anew.\n"
    (unfinished / note.name).write_text(text, encoding="utf-8")
    shutil.rmtree(out, ignore_errors=True)
    unfinished.rename(out)
    return folders


def draw_one(
    category: Category, split: str, kind: str, index: int, strength: float, seed: int = 0, size: int = 256
) -> Drawing:
    """Draw one picture; ``strength`` in [0, 1] is how plain a defect is to see. A good twin has the kind "good"."""
    path = (category.name, split, kind, index)
    scene = category.scene(stream(seed, *path, "scene"))
    fault = None if kind == "good" else category.faults[kind](stream(seed, *path, "fault"), strength)
    return draw(scene, fault, Canvas(size), seed, *path)


def _jobs(good_train: int, good_test: int, per_defect: int) -> Iterator[_ImageJob]:
    strengths = np.linspace(1, 0, per_defect) if per_defect > 1 else [0.5]
    for category in CATEGORIES:
        for split, count in (("train", good_train), ("test", good_test)):
            yield from (_ImageJob(category, split, "good", index, 0.0) for index in range(count))
        for kind in category.faults:
            yield from (_ImageJob(category, "test", kind, i, float(strengths[i])) for i in range(per_defect))


def _draw_to_disk(job: _ImageJob, root: Path, seed: int, size: int) -> None:
    drawing = draw_one(job.category, job.split, job.kind, job.index, job.strength, seed, size)
    home = root / job.category.name
    picture = home / job.split / job.kind / job.name
    picture.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(drawing.picture).save(picture)
    if job.kind != "good":
        mask = home / "ground_truth" / job.kind / job.name.replace(".png", "_mask.png")
        mask.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(drawing.mask.astype(np.uint8) * 255).save(mask)
