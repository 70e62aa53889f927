"""Which float a network runs in on a device: the quickest that leaves the anomaly map where plain float32 has it.

Each candidate must prove itself on one picture against the untouched network on the processor.
Knows no files, no images from outside and no thresholds.
"""

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from draem_core.errors import DraemError
from draem_core.inference.devices import has_fast_bfloat16
from draem_core.methods.draem import Draem
from draem_core.methods.draem.fast import fast_copy
from draem_core.methods.draem.fused import FusedConv, onednn_convolves
from draem_core.types import Normalisation

UsedPrecision = Literal["float32", "bfloat16", "float16"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]

AUTO_TOLERANCE = 5e-3  # how far "auto" may move a pixel of the map
HIGH_ACCURACY_FROM = 2e-3  # a 16-bit float that moves it further is kept from more layers
FLOAT32_TOLERANCE = 1e-4  # how far folding batch-norm may move it where float32 was asked for
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_PLACES = {"cpu": "processor", "cuda": "graphics card", "mps": "graphics processor"}


@dataclass(frozen=True, eq=False)
class PreparedNetwork:
    """A network on its device and how it computes.

    network: image (1, 3, H, W) float32 on the device → (reconstruction, logits), float32.
    precision: float32, bfloat16 or float16; the one really in use.
    note: a sentence for the user on why it is this one.
    """

    network: Draem
    precision: UsedPrecision
    note: str


def prepare_network(
    model: Draem,
    input_size: tuple[int, int],
    device: torch.device,
    precision: Precision = "auto",
    normalisation: Normalisation | None = None,
) -> PreparedNetwork:
    """Return the quickest form of ``model`` on ``device`` that keeps the map; ``model`` itself stays untouched.

    "auto" takes the first of the device's `half_dtypes` that moves no pixel of the map of `check_picture` by more
    than ``AUTO_TOLERANCE``, else float32. "float32" folds batch-norm only where that moves the map by at most
    ``FLOAT32_TOLERANCE``: some networks amplify even float32's rounding, and those run as they are. "bfloat16" and
    "float16" are taken as asked for; the note says how far they move the map.

    Args:
        model: float32, eval mode, on the CPU.
        input_size: (H, W) of the images to come.
        normalisation: what they are normalised by; the network is checked on such a picture.

    Raises:
        DraemError: the precision has no such name, or the device cannot compute in it.
    """
    if precision not in get_args(Precision):
        raise DraemError(f"The precision {precision!r} is unknown. Take one of: {', '.join(get_args(Precision))}.")
    check = _Check(model, input_size, device, normalisation)
    if precision == "float32":
        return _float32(check, FLOAT32_TOLERANCE, "asked for")
    if precision == "auto":
        return _quickest(check)
    network, moved = check.in_half(precision)
    note = f"{precision}: asked for; in the check {_moves(moved)}."
    if device.type == "cpu" and not onednn_convolves(_DTYPES[precision]):
        note += f" This processor does not compute in {precision}: float32 results are rounded to it, which is slower."
    return PreparedNetwork(network, precision, note)


def _quickest(check: "_Check") -> PreparedNetwork:
    place = f"this {_PLACES[check.device.type]}"
    why = f"{place} computes in no shorter float quickly"
    for name in half_dtypes(check.device):
        network, moved = check.in_half(name)
        if moved <= AUTO_TOLERANCE:
            return PreparedNetwork(network, name, f"{name}: {place} has it natively; against float32 {_moves(moved)}.")
        del network  # before the next one is made
        why = f"with {name} {_moves(moved)}, more than the {AUTO_TOLERANCE} allowed"
    return _float32(check, AUTO_TOLERANCE, why)


def _float32(check: "_Check", tolerance: float, why: str) -> PreparedNetwork:
    network, moved = check.try_out("float32")
    if moved <= tolerance:
        return PreparedNetwork(network, "float32", f"float32: {why}.")
    plain = check.model if check.device.type == "cpu" else copy.deepcopy(check.model).to(check.device)
    return PreparedNetwork(plain, "float32", f"float32: {why}. Batch-norm is not folded: with that {_moves(moved)}.")


class _Check:
    """One picture's map by the untouched network, and how far fast copies of the network move it."""

    def __init__(
        self, model: Draem, input_size: tuple[int, int], device: torch.device, normalisation: Normalisation | None
    ) -> None:
        self.model, self.device = model, device
        self._picture = check_picture(input_size)
        if normalisation:
            image = normalisation.apply(self._picture[0].permute(1, 2, 0).numpy())
            self._picture = torch.from_numpy(image).permute(2, 0, 1)[None].contiguous()
        _, self._map = _outputs(model, self._picture)

    def in_half(self, precision: UsedPrecision) -> tuple[Draem, float]:
        """Return the network in a 16-bit float and by how much it moves the map; the high-accuracy form if needed."""
        network, moved = self.try_out(precision)
        if moved <= HIGH_ACCURACY_FROM or math.isnan(moved):
            return network, moved
        del network  # before the next one is made
        return self.try_out(precision, high_accuracy=True)

    def try_out(self, precision: UsedPrecision, high_accuracy: bool = False) -> tuple[Draem, float]:
        """Return the network in that precision and the largest change of a pixel; NaN where the float overflows."""
        try:
            network = fast_copy(self.model, _DTYPES[precision], high_accuracy, self.device)
            with _watching_for_overflow(network) as overflowed:
                _, anomaly_map = _outputs(network, self._picture.to(self.device))
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, TypeError) as error:  # TypeError: a graphics processor that has no such float
            raise DraemError(f"{self.device} cannot compute in {precision}: {error}. Take 'auto'.") from error
        return network, math.nan if overflowed else float((anomaly_map.cpu() - self._map).abs().max())


@torch.inference_mode()
def run_network(network: Draem, image: Tensor) -> tuple[Tensor, Tensor]:
    """Return (reconstruction, logits), with float32 meant as such: a CUDA card's default is TF32, of 10 bits."""
    if image.device.type != "cuda":
        return _forward(network, image)
    with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        return _forward(network, image)


def _forward(network: Draem, image: Tensor) -> tuple[Tensor, Tensor]:
    reconstruction, logits = network(image)
    return reconstruction, logits


def _outputs(network: Draem, image: Tensor) -> tuple[Tensor, Tensor]:
    reconstruction, logits = run_network(network, image)
    return reconstruction, logits.softmax(dim=1)[:, 1]


@contextmanager
def _watching_for_overflow(network: Draem) -> Iterator[list[str]]:
    """Note the layers whose weights are not finite, or whose output is not while the block lasts.

    The results alone would not show it: on some processors a ReLU turns NaN into 0.
    """
    layers = {name: layer for name, layer in network.named_modules() if isinstance(layer, FusedConv)}
    overflowed = [name for name, layer in layers.items() if not layer.weight.isfinite().all()]

    def watch(name: str) -> Callable[[nn.Module, tuple[Tensor], Tensor], None]:
        def hook(_: nn.Module, __: tuple[Tensor], output: Tensor) -> None:
            if not output.isfinite().all():
                overflowed.append(name)

        return hook

    hooks = [layer.register_forward_hook(watch(name)) for name, layer in layers.items()]
    try:
        yield overflowed
    finally:
        for hook in hooks:
            hook.remove()


def _moves(moved: float) -> str:
    return f"the map moves by at most {moved:.4f}" if math.isfinite(moved) else "the result is not finite"


def half_dtypes(device: torch.device) -> tuple[UsedPrecision, ...]:
    """Return the 16-bit floats that the device computes in faster than float32, the one to try first in front.

    bfloat16 reaches as far as float32, float16 is eight times finer. A processor with native bfloat16 gains at every
    width: 1.8 to 2.3 times at widths (24, 12) to (128, 64).
    """
    if device.type == "cpu":
        return ("bfloat16",) if has_fast_bfloat16(device) and onednn_convolves(torch.bfloat16) else ()
    return ("bfloat16", "float16") if has_fast_bfloat16(device) else ("float16",)


def check_picture(size: tuple[int, int]) -> Tensor:
    """Return a picture (1, 3, H, W) float32 in [0, 1] for the self-check, always the same for one size.

    Soft texture of five octaves with hard-edged patches of another brightness, so that a trained network finds
    something and the map has edges, where rounding shows most.
    """
    generator = torch.Generator().manual_seed(0)
    picture = torch.full((1, 3, *size), 0.5)
    for octave in (4, 8, 16, 32, 64):
        noise = torch.randn(1, 3, octave, octave, generator=generator)
        picture += 0.25 / octave**0.5 * F.interpolate(noise, size, mode="bilinear")
    height, width = size
    for index in range(6):
        top, left = height * index // 6, width * (5 * index % 6) // 6
        picture[..., top : top + height // 8, left : left + width // 12] += 0.3 * (-1) ** index
    return picture.clamp(0, 1)
