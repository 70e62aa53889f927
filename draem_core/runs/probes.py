"""The probe set: a few images, chosen once, whose reconstruction and map are kept at every epoch.

Pictures are stored as sheets, all probes side by side in one PNG, so that people can look at them without this program.
"""

import io
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from draem_core.atomic import write_atomically
from draem_core.data.layouts import GOOD
from draem_core.synthesis import synthesise
from draem_core.training.labelled import LabelledImages

PROBE_COLUMNS = (
    *("epoch", "probe", "score", "map_mean"),
    *("image_std", "reconstruction_mean", "reconstruction_std", "difference_mean"),
)
SYNTHETIC = "synthetic anomaly"
_SEED = 20_260_102


def choose_probes(test: LabelledImages | None, good: Tensor, textures: Tensor, count: int) -> LabelledImages:
    """Return about ``count`` images: a third good, the rest spread over the kinds of defect, at least one of each.

    Without a test set, good images from ``good`` (N, 3, H, W) uint8; without a real defect, the same with synthetic ones
    of ``textures`` (M, 3, h, w).
    """
    if test is None or not len(test):
        chosen = _spread(range(len(good)), max(1, count // 2))
        test = _as_labelled([f"training image {index + 1}" for index in chosen], GOOD, good[chosen])
    probes = test.only(choose(test.kinds, test.labels, count))
    if probes.labels.any() or not len(probes):
        return probes
    probes = probes.only(range(max(1, count // 2))) if len(probes) > count // 2 else probes
    return _joined(probes, _with_made_up_defects(probes, textures))


def choose(kinds: Sequence[str], labels: np.ndarray, count: int) -> list[int]:
    """Return about ``count`` indices: a third good, the rest spread over the kinds of defect, at least one of each."""
    defects = sorted({kind for kind, anomalous in zip(kinds, labels, strict=True) if anomalous})
    chosen = _spread(np.flatnonzero(~labels).tolist(), max(1, count // 3) if defects else count)
    if not defects:
        return chosen
    each, more = divmod(max(count - len(chosen), len(defects)), len(defects))
    for place, kind in enumerate(defects):
        of_kind = [index for index, one in enumerate(kinds) if labels[index] and one == kind]
        chosen += _spread(of_kind, each + (place < more))
    return chosen


def probe_metrics(image: Tensor, reconstruction: Tensor, anomaly_map: Tensor) -> list[float]:
    """Return the row of ``PROBE_COLUMNS`` from ``score`` on: (3, H, W), (3, H, W), (H, W) float32.

    A standard deviation is over the pixels, averaged over the channels: 0 is a constant picture. An eighth is left out
    at each border: where convolutions see padding, even a network that paints one colour draws a frame.
    """

    def spread(picture: Tensor) -> float:
        top, left = picture.shape[1] // 8, picture.shape[2] // 8
        inner = picture[:, top : picture.shape[1] - top, left : picture.shape[2] - left]
        return float(inner.flatten(1).std(dim=1).mean())

    return [
        float(anomaly_map.max()),
        float(anomaly_map.mean()),
        spread(image),
        float(reconstruction.mean()),
        spread(reconstruction),
        float((reconstruction - image).abs().mean()),
    ]


class ProbeStore:
    """``probes/``: ``probes.json``, ``original.png``, ``mask.png``, then two sheets for each epoch."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def exists(self) -> bool:
        """Tell whether probes were chosen before."""
        return (self.folder / "probes.json").is_file()

    def save_originals(self, probes: LabelledImages) -> None:
        """Write the probes and their masks at the size that the network sees."""
        shape = probes.images.shape[2:]
        masks = [np.zeros(shape, bool) if mask is None else mask for mask in probes.masks]
        self._write("original", probes.images.float() / 255)
        self._write("mask", torch.from_numpy(np.stack(masks)).float()[:, None])
        described = {
            "names": probes.names,
            "kinds": probes.kinds,
            "labels": [int(label) for label in probes.labels],
            "has_mask": [mask is not None for mask in probes.masks],
        }
        write_atomically(self.folder / "probes.json", json.dumps(described, indent=1).encode())

    def load(self) -> LabelledImages:
        """Return the probes as they were chosen."""
        described = json.loads((self.folder / "probes.json").read_text(encoding="utf-8"))
        count = len(described["names"])
        masks = self.contact_sheet("mask", count) > 0
        return LabelledImages(
            tuple(described["names"]),
            tuple(described["kinds"]),
            np.array(described["labels"], dtype=bool),
            torch.from_numpy(self.contact_sheet("original", count)).permute(0, 3, 1, 2),
            tuple(mask if has else None for mask, has in zip(masks, described["has_mask"], strict=True)),
        )

    def save_epoch(self, epoch: int, reconstructions: Tensor, maps: Tensor, side: int) -> None:
        """Write an epoch's sheets of (P, 3, H, W) reconstructions, clipped to [0, 1], and (P, H, W) maps."""
        self._write(f"epoch_{epoch:04d}_reconstruction", small(reconstructions, side))
        self._write(f"epoch_{epoch:04d}_map", small(maps[:, None], side))

    def contact_sheet(self, name: str, count: int) -> np.ndarray:
        """Return a sheet's pictures: (P, h, w, 3) uint8, or (P, h, w) of a map or mask."""
        with Image.open(self.folder / f"{name}.png") as picture:
            sheet = np.asarray(picture)
        return np.stack(np.split(sheet, count, axis=1))

    def epochs(self) -> tuple[int, ...]:
        """Return the epochs that have their sheets."""
        return tuple(sorted(int(path.name.split("_")[1]) for path in self.folder.glob("epoch_*_map.png")))

    def damaged(self, epochs: Iterable[int]) -> tuple[int, ...]:
        """Return those of ``epochs`` whose sheets are missing, cut short or of another size than most."""
        sizes = {
            epoch: (self._size(f"epoch_{epoch:04d}_reconstruction"), self._size(f"epoch_{epoch:04d}_map"))
            for epoch in epochs
        }
        whole = Counter(both[0] for both in sizes.values() if both[0] is not None and both[0] == both[1])
        usual = next((size for size, _ in whole.most_common(1)), None)
        return tuple(sorted(epoch for epoch, both in sizes.items() if usual is None or both != (usual, usual)))

    def _size(self, name: str) -> tuple[int, int] | None:
        """Return a sheet's (width, height) after reading it to its end, None where that fails."""
        try:
            with Image.open(self.folder / f"{name}.png") as picture:
                picture.verify()
                return picture.size
        except (OSError, SyntaxError):  # the latter is Pillow's for broken chunks
            return None

    def _write(self, name: str, pictures: Tensor) -> None:
        pixels = (pictures.clamp(0, 1).nan_to_num() * 255).round().byte().cpu().permute(0, 2, 3, 1).numpy()
        sheet = np.concatenate(list(pixels), axis=1)
        buffer = io.BytesIO()
        Image.fromarray(sheet if sheet.shape[2] == 3 else sheet[..., 0]).save(buffer, "PNG", compress_level=9)
        write_atomically(self.folder / f"{name}.png", buffer.getvalue())


def small(pictures: Tensor, side: int) -> Tensor:
    """Return (N, C, H, W) shrunk by area so that the longer side is at most ``side``."""
    height, width = pictures.shape[-2:]
    scale = min(1.0, side / max(height, width))
    return F.adaptive_avg_pool2d(pictures, (max(1, round(height * scale)), max(1, round(width * scale))))


def _spread(indices: Sequence[int], count: int) -> list[int]:
    """Return ``count`` of the indices, evenly spread, or all where there are not as many."""
    count = min(count, len(indices))
    return [indices[(2 * place + 1) * len(indices) // (2 * count)] for place in range(count)]


def _with_made_up_defects(good: LabelledImages, textures: Tensor) -> LabelledImages:
    size = (good.images.shape[2], good.images.shape[3])
    fitting = F.interpolate(textures.float(), size).byte() if tuple(textures.shape[2:]) != size else textures
    generator = torch.Generator().manual_seed(_SEED)
    made = synthesise(good.images.float() / 255, fitting, generator, clean_share=0.0)
    images = (made.corrupted * 255).round().clamp(0, 255).byte()
    names = [f"{name} with a synthetic anomaly" for name in good.names]
    masks = tuple(mask > 0 for mask in made.anomaly_mask[:, 0].numpy())
    return LabelledImages(tuple(names), (SYNTHETIC,) * len(names), np.array([m.any() for m in masks]), images, masks)


def _as_labelled(names: Sequence[str], kind: str, images: Tensor) -> LabelledImages:
    nothing = tuple(np.zeros(images.shape[2:], bool) for _ in names)
    return LabelledImages(tuple(names), (kind,) * len(names), np.zeros(len(names), bool), images, nothing)


def _joined(first: LabelledImages, second: LabelledImages) -> LabelledImages:
    return LabelledImages(
        first.names + second.names,
        first.kinds + second.kinds,
        np.concatenate((first.labels, second.labels)),
        torch.cat((first.images, second.images)),
        first.masks + second.masks,
    )
