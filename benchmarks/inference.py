"""How fast the Predictor is against the plain eager float32 network that both upstreams run, and how far maps move.

    python benchmarks/inference.py [--widths 128 64] [--checkpoint FILE] [--repeats 7] [--json FILE]

Without --widths and --checkpoint: a network of the paper's widths, and the bundled checkpoints.
All contestants take turns in one process; figures are medians. Ours is timed through `Predictor.predict_batch`, with
everything around the network; plain is the network and its softmax alone. The machine must be otherwise idle.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this checkout's library, wherever it is run from

from draem_core import Card, Checkpoint, Prediction, Predictor, load_checkpoint
from draem_core.inference.devices import describe_machine, has_fast_bfloat16
from draem_core.inference.precision import Precision, check_picture
from draem_core.methods.draem import Draem

ROOT = Path(__file__).resolve().parents[1]
BATCHES = (1, 8)
FULL_WIDTHS = (128, 64)
MATMULS = ((2048, 2048, 2048), (4096, 4096, 4096), (8192, 1024, 1024), (1024, 9216, 1024))  # rows, inner, columns
HEADER = "batch  precision  plain ms  ours ms  ratio  map moves  GFLOP/s of matmul"


@dataclass(frozen=True)
class Row:
    """One line of the table.

    plain_ms, ours_ms: milliseconds an image. map_moves: largest change of a pixel against plain. gflops: ours, in
    GFLOP/s; share: of what the device reaches in bfloat16 matrix products, None in float32 (on AMD's processors torch's
    float32 products are slower than its convolutions, and say nothing).
    """

    device: str
    network: str
    batch: int
    precision: str
    plain_ms: float
    ours_ms: float
    ratio: float
    map_moves: float
    gflops: float
    share: float | None

    def __str__(self) -> str:
        return (
            f"{self.batch:5}  {self.precision:9}{self.plain_ms:10.1f}{self.ours_ms:9.1f}{self.ratio:6.2f}×"
            f"{self.map_moves:11.6f}{self.gflops:9.0f}{'' if self.share is None else f'{self.share:10.0%}'}"
        )


def main() -> None:
    """Measure, print the table, and write it as JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", nargs=2, type=int, action="append", help="a random network of these base widths")
    parser.add_argument("--checkpoint", type=Path, action="append", help="a trained network")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    networks = [load_checkpoint(path) for path in arguments.checkpoint or []]
    networks += [random_checkpoint((first, second)) for first, second in arguments.widths or []]

    machine: dict[str, object] = {"machine": describe_machine(), "cores": os.cpu_count(), "torch": torch.__version__}
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    rows: list[Row] = []
    for device in [torch.device("cpu")] + [torch.device("cuda")] * torch.cuda.is_available():
        matmul: dict[Precision, float] = {"float32": matmul_gflops(device, torch.float32)}
        if has_fast_bfloat16(device):
            matmul["bfloat16"] = matmul_gflops(device, torch.bfloat16)
        machine[f"{device} matmul GFLOP/s"] = matmul
        print(f"{device}: matrix products reach", ", ".join(f"{rate:.0f} GFLOP/s in {n}" for n, rate in matmul.items()))
        for checkpoint in networks or default_networks():
            rows += measure(checkpoint, device, arguments.repeats, matmul)
    if arguments.json:
        report = {"machine": machine, "rows": [asdict(row) for row in rows]}
        arguments.json.write_text(json.dumps(report, indent=1), encoding="utf-8")


def default_networks() -> list[Checkpoint]:
    """Return a network of the paper's widths and the bundled checkpoints."""
    bundled = sorted((ROOT / "checkpoints").glob("*.safetensors"))
    return [random_checkpoint(FULL_WIDTHS), *map(load_checkpoint, bundled)]


def random_checkpoint(widths: tuple[int, int]) -> Checkpoint:
    """Return a network as torch builds it, seeded. Its map is nearly even, so it says much of time, little of rounding.

    Random weights whose batch-norm statistics fit them are no better for that: those networks are chaotic, and even
    float32's rounding moves their map by 1e-2. How far rounding moves a map is told by trained checkpoints.
    """
    torch.manual_seed(0)
    model = Draem(widths).eval().requires_grad_(False)
    card = Card(
        name=f"random {widths}",
        flavour="anomalib",
        widths=widths,
        resize_filter="bilinear_antialias",
        color_order="RGB",
        concat_order="image_first",
        score_rule="max",
    )
    return Checkpoint(model, card, files=())


def measure(checkpoint: Checkpoint, device: torch.device, repeats: int, matmul: dict[Precision, float]) -> list[Row]:
    """Return and print a row for each batch size and each float in ``matmul`` (its GFLOP/s in matrix products)."""
    card = checkpoint.card
    ours = {name: Predictor(checkpoint, str(device), name) for name in matmul}
    print(f"\n{card.name}: {flops(card) / 1e9:.0f} GFLOP an image")
    print(*(predictor.precision_note for predictor in ours.values()), HEADER, sep="\n")
    plain = checkpoint.model if device.type == "cpu" else _copy_on(device, checkpoint)
    rows = []
    for batch in BATCHES:
        contest = Contest(plain, ours, sample_pictures(batch, card.input_size), device)
        moved, times = contest.map_moves(), contest.seconds(repeats)
        for name in ours:
            gflops = batch * flops(card) / times[name] / 1e9
            row = Row(
                device=str(device),
                network=card.name,
                batch=batch,
                precision=name,
                plain_ms=1e3 * times["plain"] / batch,
                ours_ms=1e3 * times[name] / batch,
                ratio=times["plain"] / times[name],
                map_moves=moved[name],
                gflops=gflops,
                share=gflops / matmul[name] if name == "bfloat16" else None,
            )
            rows.append(row)
            print(row, flush=True)
    return rows


class Contest:
    """Plain and our predictors on the same pictures."""

    def __init__(
        self, plain: Draem, ours: dict[Precision, Predictor], pictures: list[np.ndarray], device: torch.device
    ) -> None:
        self._plain, self._ours, self._pictures, self._device = plain, ours, pictures, device
        images = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
        self._images = images.contiguous().to(device)

    @torch.inference_mode()
    def run_plain(self) -> Tensor:
        """Return the maps (B, H, W) as the upstreams compute them: eager, float32, as it was built."""
        return self._plain(self._images)[1].softmax(dim=1)[:, 1]

    def run_ours(self, precision: Precision) -> list[Prediction]:
        """Return the predictions of all pictures."""
        return self._ours[precision].predict_batch(self._pictures)

    def map_moves(self) -> dict[Precision, float]:
        """Return by precision the largest change of a pixel of any map; also warms everything up."""
        wanted = self.run_plain().cpu().numpy()
        return {
            name: float(np.abs(np.stack([found.anomaly_map for found in self.run_ours(name)]) - wanted).max())
            for name in self._ours
        }

    def seconds(self, repeats: int) -> dict[str, float]:
        """Return the median seconds of "plain" and of each precision, which take turns ``repeats`` times."""
        times: dict[str, list[float]] = {"plain": [], **{name: [] for name in self._ours}}
        for _ in range(repeats):
            times["plain"].append(seconds(self.run_plain, self._device))
            for name in self._ours:
                times[name].append(seconds(partial(self.run_ours, name), self._device))
        return {name: statistics.median(taken) for name, taken in times.items()}


def seconds(run: Callable[[], object], device: torch.device) -> float:
    """Return the wall time of one call, until the device has done all of it."""
    started = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


@torch.inference_mode()
def matmul_gflops(device: torch.device, dtype: torch.dtype, repeats: int = 8) -> float:
    """Return the best GFLOP/s that large matrix products reach.

    Each product is tried as a linear layer and as a 1×1 convolution: on a CPU torch takes them to different libraries.
    """
    best = 0.0
    for rows, inner, columns in MATMULS:
        left = torch.randn(rows, inner, device=device).to(dtype)
        linear = nn.Linear(inner, columns, bias=False, device=device, dtype=dtype)
        grid = left.T.reshape(1, inner, rows // 32, 32).contiguous(memory_format=torch.channels_last)
        conv = nn.Conv2d(inner, columns, 1, bias=False, device=device, dtype=dtype)
        for run in (partial(linear, left), partial(conv, grid)):
            taken = min(seconds(run, device) for _ in range(repeats))
            best = max(best, 2 * rows * inner * columns / taken / 1e9)
    return best


def flops(card: Card) -> int:
    """Return the floating-point operations of one image, multiply and add counted as two."""
    with torch.device("meta"), torch.inference_mode(), FlopCounterMode(display=False) as counter:
        Draem(card.widths, card.sspcab).eval()(torch.zeros(1, 3, *card.input_size))
    return counter.get_total_flops()


def sample_pictures(count: int, size: tuple[int, int]) -> list[np.ndarray]:
    """Return ``count`` different pictures (H, W, 3) uint8: the check picture, rolled."""
    picture = (check_picture(size)[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    return [np.roll(picture, (31 * index, 17 * index), axis=(0, 1)) for index in range(count)]


def _copy_on(device: torch.device, checkpoint: Checkpoint) -> Draem:
    card = checkpoint.card
    model = Draem(card.widths, card.sspcab, card.concat_order)
    model.load_state_dict(checkpoint.model.state_dict())
    return model.eval().to(device)


if __name__ == "__main__":
    main()
