"""How fast the full-width network trains, against a plain loop as the original has it: the README's figure.

    python benchmarks/training.py [--batch-size 1 2 4] [--repeats 6] [--width 128 64] [--threads 2]

The plain loop makes its anomalies image by image in numpy, then takes a float32 step on NCHW tensors with no autocast
and an unfused Adam. Ours is the step of ``python -m draem_core train``, with all that it writes down by step. Both run
in this process on the same images and textures with the same losses; the first step of each is not counted, the
fastest of the others is. Our command tells the C library to keep freed memory; that alone helps the plain loop as well,
so it is timed without and with it.
"""

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageOps
from scipy import ndimage

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # this checkout's library, wherever it is run from

from draem_core.data.textures import load_textures  # noqa: E402
from draem_core.inference.devices import describe_machine, has_fast_bfloat16, keep_freed_memory, pick_device  # noqa: E402
from draem_core.methods.draem import Draem  # noqa: E402
from draem_core.synthesis import synthesise  # noqa: E402
from draem_core.training.config import TrainConfig  # noqa: E402
from draem_core.training.loop import train  # noqa: E402
from draem_core.training.losses import draem_loss  # noqa: E402
from draem_core.training.reports import StepReport  # noqa: E402

SIDE = 256
GOAL = 2.5


class PlainLoop:
    """The original's way: numpy, image by image, then one float32 step."""

    def __init__(self, widths: tuple[int, int], device: torch.device) -> None:
        self.device = device
        self.model = Draem(widths).to(device).train()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-4, foreach=False, fused=False)
        self.rng = np.random.default_rng(0)
        self.synthesis_seconds = 0.0

    def step(self, images: np.ndarray, textures: np.ndarray) -> None:
        """Train on images (B, H, W, 3) uint8 with textures (N, H, W, 3) uint8."""
        started = time.perf_counter()
        samples = [self._sample(image, textures) for image in images]
        clean, corrupted, mask = (
            torch.from_numpy(np.stack(parts)).permute(0, 3, 1, 2).contiguous().to(self.device)
            for parts in zip(*samples, strict=True)
        )
        self.synthesis_seconds = time.perf_counter() - started
        reconstruction, logits = self.model(corrupted)
        loss = draem_loss(clean, reconstruction, mask, logits)
        self.optimizer.zero_grad()
        loss.total.backward()
        self.optimizer.step()
        loss.total.item()

    def _sample(self, image: np.ndarray, textures: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        clean = image.astype(np.float32) / 255
        if self.rng.random() < 0.3:
            clean = ndimage.rotate(clean, self.rng.uniform(-90, 90), reshape=False, order=1).clip(0, 1)
        texture = self._augmented(Image.fromarray(textures[self.rng.integers(len(textures))]))
        noise = ndimage.rotate(
            self._perlin(2 ** self.rng.integers(0, 6, 2)), self.rng.uniform(-90, 90), reshape=False, order=1
        )
        mask = (noise > 0.5).astype(np.float32)[..., None]
        if self.rng.random() < 0.5:
            mask = np.zeros_like(mask)
        share = np.float32(self.rng.uniform(0, 0.8))
        corrupted = clean * (1 - mask) + (1 - share) * texture * mask + share * clean * mask
        return clean, corrupted, mask

    def _augmented(self, texture: Image.Image) -> np.ndarray:
        changes: tuple[Callable[[Image.Image], Image.Image], ...] = (
            lambda picture: picture.point([round(255 * (v / 255) ** self.rng.uniform(0.5, 2)) for v in range(256)] * 3),
            lambda picture: ImageEnhance.Brightness(picture).enhance(self.rng.uniform(0.8, 1.2)),
            lambda picture: ImageEnhance.Sharpness(picture).enhance(self.rng.uniform(0, 2)),
            lambda picture: ImageEnhance.Color(picture).enhance(self.rng.uniform(0.6, 1.4)),
            lambda picture: ImageOps.solarize(picture, int(self.rng.integers(32, 128))),
            lambda picture: ImageOps.posterize(picture, int(self.rng.integers(2, 7))),
            ImageOps.invert,
            ImageOps.autocontrast,
            ImageOps.equalize,
            lambda picture: picture.rotate(self.rng.uniform(-45, 45), Image.Resampling.BILINEAR),
        )
        for index in self.rng.choice(len(changes), 3, replace=False):
            texture = changes[index](texture)
        return np.asarray(texture, dtype=np.float32) / 255

    def _perlin(self, scale: np.ndarray) -> np.ndarray:
        angle = self.rng.uniform(0, 2 * np.pi, scale + 1)
        row, column = np.mgrid[0:SIDE, 0:SIDE] / SIDE * scale[:, None, None]
        top, left = row.astype(int), column.astype(int)
        row, column = row - top, column - left
        corner = {
            (down, right): np.sin(angle[top + down, left + right]) * (row - down)
            + np.cos(angle[top + down, left + right]) * (column - right)
            for down in (0, 1)
            for right in (0, 1)
        }
        fade_row, fade_column = (6 * t**5 - 15 * t**4 + 10 * t**3 for t in (row, column))
        upper = corner[0, 0] + (corner[0, 1] - corner[0, 0]) * fade_column
        lower = corner[1, 0] + (corner[1, 1] - corner[1, 0]) * fade_column
        return np.sqrt(2) * (upper + (lower - upper) * fade_row)


@dataclass(frozen=True)
class Speed:
    """Seconds of one step on ``batch_size`` images, and of making its anomalies."""

    batch_size: int
    seconds: float
    synthesis: float

    def cells(self) -> str:
        """Return images a second and the share of synthesis, as cells of a table."""
        return f"{self.batch_size / self.seconds:.3f} | {self.synthesis / self.seconds:.1%}"


class EnoughError(Exception):
    """Ends a run when enough steps are timed, before it would save an epoch."""


def time_ours(config: TrainConfig, images: torch.Tensor, textures: torch.Tensor, steps: int) -> list[float]:
    """Return the seconds between the ends of successive steps of a real run."""
    ends: list[float] = []

    def on_step(report: StepReport) -> None:
        ends.append(time.perf_counter())
        if report.step == steps:
            raise EnoughError

    with contextlib.suppress(EnoughError):
        train(config, images, textures, on_step=on_step)
    return np.diff(ends).tolist()


def time_synthesis(config: TrainConfig, images: torch.Tensor, textures: torch.Tensor, device: torch.device) -> float:
    """Return the mean seconds that making one batch takes, after a first one."""
    generator = torch.Generator(device).manual_seed(0)
    batch = images[: config.batch_size].to(device).float() / 255
    seconds = []
    for _ in range(11):
        started = time.perf_counter()
        made = synthesise(batch, textures, generator, rotate_share=config.rotate_share)
        made.corrupted.sum().item()  # waits for a GPU
        seconds.append(time.perf_counter() - started)
    return float(np.mean(seconds[1:]))


def measure_plain(batch_size: int, widths: tuple[int, int], device: torch.device, repeats: int) -> Speed:
    """Time the plain loop on batches of so many images."""
    images, textures = (stack.permute(0, 2, 3, 1).numpy() for stack in pictures(batch_size, repeats))
    plain = PlainLoop(widths, device)
    seconds, synthesis = [], []
    for batch in np.split(images, repeats + 1):
        started = time.perf_counter()
        plain.step(batch, textures)
        seconds.append(time.perf_counter() - started)
        synthesis.append(plain.synthesis_seconds)
    return Speed(batch_size, min(seconds[1:]), min(synthesis[1:]))


def measure_ours(batch_size: int, widths: tuple[int, int], device: torch.device, repeats: int) -> Speed:
    """Time our loop on the same batches."""
    images, textures = pictures(batch_size, repeats)
    with tempfile.TemporaryDirectory() as folder:
        config = TrainConfig(
            data=Path("none"),
            out=Path(folder),
            widths=widths,
            batch_size=batch_size,
            device=str(device),
            probes=0,
            validation_share=0,
        )
        seconds = min(time_ours(config, images, textures, repeats + 1))
        return Speed(batch_size, seconds, time_synthesis(config, images, textures, device))


def pictures(batch_size: int, repeats: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images for the first step and the timed ones, and textures; what the images show is no matter."""
    textures = load_textures(None, (SIDE, SIDE))
    return textures[torch.arange((repeats + 1) * batch_size) % len(textures)], textures


def main() -> None:
    """Print both speeds, their ratio and the share of synthesis, for each batch size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, nargs="+", default=(1, 2, 4))
    parser.add_argument("--repeats", type=int, default=6, help="timed steps of each")
    parser.add_argument("--width", type=int, nargs=2, default=(128, 64))
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; default: torch's")
    parser.add_argument("--device", default="auto")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    device, widths, sizes = pick_device(given.device), (given.width[0], given.width[1]), given.batch_size
    plain = [measure_plain(size, widths, device, given.repeats) for size in sizes]
    keep_freed_memory()
    helped = [measure_plain(size, widths, device, given.repeats) for size in sizes]
    ours = [measure_ours(size, widths, device, given.repeats) for size in sizes]
    precision = "bfloat16" if has_fast_bfloat16(device) else "float32"
    print(f"On {describe_machine()}; widths {widths} at {SIDE}×{SIDE}, ours in {precision}.")
    print(f"Images a second and the share of synthesis; the goal in bfloat16 is {GOAL} times the plain loop.\n")
    print("| batch | plain | | plain, freed memory kept | | ours | | ratio | to plain with memory kept |")
    print("|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for size, *three in zip(sizes, plain, helped, ours, strict=True):
        ratios = [f"{one.seconds / three[-1].seconds:.2f}×" for one in three[:-1]]
        print(" | ".join((f"| {size}", *(one.cells() for one in three), *ratios)), "|")


if __name__ == "__main__":
    main()
