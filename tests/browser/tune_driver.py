"""The Tune page as the browser tests see it, and what the library says to the same maps, the slow way."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from explore_driver import Explore
from playwright.sync_api import Locator, expect
from scipy import ndimage
from tiny_home import GRID

from draem_core import load_checkpoint
from draem_core.data.datasets import Sample, open_dataset, read_mask
from draem_core.inference import Predictor
from draem_core.metrics import Counts, count
from draem_core.postprocess import PostProcess
from draem_core.scoring import score_dataset
from draem_core.sweep import SweepMetrics, ThresholdSweep

EIGHT = np.ones((3, 3))
FIRST_VISIT = 120  # s, at most, where a busy machine counts a dataset

# After the frame that a change asks for, everything that the page says, read in one go.
SHOWN = """(root) => new Promise((tell) => requestAnimationFrame(() => requestAnimationFrame(() => tell({
    settings: root.draemTuner.settings(),
    readout: root.draemTuner.readout(),
    texts: Object.fromEntries([...root.querySelectorAll("[data-slot]:not(ul)")].map((slot) =>
        [slot.dataset.slot, slot.textContent.trim()])),
    flips: [...root.querySelectorAll("[data-slot=flips] li:not([hidden]) button")].map((tile) => tile.ariaLabel),
    gallery: [...root.querySelectorAll("[data-slot=gallery] li:not([hidden]) button")].map((tile) => tile.ariaLabel),
}))))"""


class Tune(Explore):
    """One browser tab on the Tune page."""

    @property
    def root(self) -> Locator:
        return self.page.locator(".draem-tuner")

    def call(self, hook: str) -> Any:
        return self.root.evaluate(f"(root) => root.draemTuner.{hook}()")

    def open(self, path: str = "/Tune", **query: object) -> "Tune":
        """Follow a link and wait for the numbers, which a first visit counts."""
        text = "&".join(f"{name}={quote(str(value))}" for name, value in query.items())
        self.page.goto(f"{self.url}{path}?{text}")
        self.wait()
        return self

    def wait(self) -> None:
        """Wait until the page stands still and the tuner shows its numbers."""
        expect(self.slot("ngDefect")).not_to_be_empty(timeout=1000 * FIRST_VISIT)
        expect(self.root).not_to_have_class(re.compile("loading"))
        expect(self.page.locator("[data-testid=stApp]")).to_have_attribute("data-test-script-state", "notRunning")

    def shown(self) -> dict[str, Any]:
        return self.root.evaluate(SHOWN)

    def type(self, **fields: float) -> None:
        """Type into number fields, by id, without settling."""
        self.root.evaluate(
            """(root, fields) => Object.entries(fields).forEach(([id, value]) => {
                const field = root.querySelector(`#${id}Number`);
                field.value = value;
                field.dispatchEvent(new Event("input"));
            })""",
            fields,
        )

    def switch(self, name: str) -> None:
        """Flip a switch; returns after the rerun that this leads to."""
        with self.rerun():
            self.root.locator(f"[data-switch={name}]").click()

    def press(self, name: str) -> None:
        with self.rerun():
            self.page.get_by_role("button", name=name, exact=True).first.click()


@dataclass(frozen=True, eq=False)
class Truth:
    """A dataset as one checkpoint scored it, with every figure worked out mask by mask."""

    samples: tuple[Sample, ...]
    maps: np.ndarray
    masks: list[np.ndarray]
    metrics: tuple[SweepMetrics, ...]

    @classmethod
    def of(cls, home: Path, checkpoint: str, out: Path) -> "Truth":
        predictor = Predictor(load_checkpoint(home / "checkpoints" / f"{checkpoint}.safetensors"))
        scored = score_dataset(predictor, open_dataset(home / "datasets/tiles"), out)
        masks = [read_mask(sample, GRID) for sample in scored.samples]
        truths = [mask if mask is not None else np.zeros(GRID, bool) for mask in masks]
        metrics = ThresholdSweep.from_maps(scored.maps, truths).metrics
        return cls(scored.samples, np.array(scored.maps), truths, metrics)

    @property
    def labels(self) -> np.ndarray:
        return np.array([bool(sample.label) for sample in self.samples])

    def flagged(self, sensitivity: float, kernel_size: int, min_area: int) -> np.ndarray:
        rule = PostProcess(sensitivity, kernel_size, min_area)
        return np.array([rule.apply(one).any() for one in self.maps])

    def texts(self, settings: dict[str, Any]) -> dict[str, str]:
        """Every number of the readout, as it should be written."""
        setting = settings["sensitivity"], settings["kernel_size"], settings["min_area"]
        rule, raw_rule = PostProcess(*setting), PostProcess(setting[0], 1, 0)
        pixel, found, erased, total, blobs, raw_blobs = Counts(0, 0, 0, 0), 0, 0, 0, 0, 0
        for one, truth in zip(self.maps, self.masks, strict=True):
            mask, raw = rule.apply(one), raw_rule.apply(one)
            pixel += count(mask, truth)
            regions, number = ndimage.label(truth, EIGHT)
            hits, raw_hits = set(regions[mask]) - {0}, set(regions[raw]) - {0}
            found, erased, total = found + len(hits), erased + len(raw_hits - hits), total + number
            blobs, raw_blobs = blobs + _false_blobs(mask, truth), raw_blobs + _false_blobs(raw, truth)
        ng = self.flagged(*setting)
        unsure = self.flagged(max(settings["unsure_sensitivity"], setting[0]), *setting[1:]) & ~ng
        if not settings["zones"]:
            unsure = np.zeros_like(ng)
        texts = {"threshold": _probability(float(np.float32(1 - setting[0])))}
        for zone, inside in (("ng", ng), ("unsure", unsure), ("ok", ~ng & ~unsure)):
            texts[f"{zone}Defect"] = str((inside & self.labels).sum())
            texts[f"{zone}Good"] = str((inside & ~self.labels).sum())
            texts[f"{zone}Share"] = _percent(inside.mean())
        image = count(ng, self.labels)
        metrics = self.metrics[setting[1] // 2]
        values = {f"image-{name}": getattr(image, name) for name in ("f1", "precision", "recall")}
        values |= {"image-falseAlarms": image.false_alarm_rate}
        values |= {"image-auroc": metrics.image_auroc, "image-ap": metrics.image_ap, "aupro": metrics.aupro}
        values |= {f"pixel-{name}": getattr(pixel, name) for name in ("f1", "iou", "precision", "recall")}
        values |= {"pixel-auroc": metrics.pixel_auroc, "pixel-ap": metrics.pixel_ap}
        texts |= {name: _score(value) for name, value in values.items()}
        texts |= {"found": f"{found} of {total}", "blobs": _grouped(blobs), "erased": str(erased)}
        texts |= {"removed": _grouped(raw_blobs - blobs), "removedOf": f"of {_grouped(raw_blobs)}"}
        texts["imageRocPoint"] = f"{_score(image.false_alarm_rate)}, {_score(image.recall)}"
        texts["imagePrPoint"] = f"{_score(image.recall)}, {_score(image.precision)}"
        texts["pixelPrPoint"] = f"{_score(pixel.recall)}, {_score(pixel.precision)}"
        return texts

    def flips(self, settings: dict[str, Any]) -> list[str]:
        """The images whose verdict differs from the saved setting's, with what their tiles say."""
        now = self.flagged(settings["sensitivity"], settings["kernel_size"], settings["min_area"])
        before = self.flagged(*(settings[f"saved_{name}"] for name in ("sensitivity", "kernel_size", "min_area")))
        return [
            f"{sample.name}: {'OK → NG' if flagged else 'NG → OK'}, is {'defect' if sample.label else 'good'}"
            for sample, flagged, was in zip(self.samples, now, before, strict=True)
            if flagged != was
        ]


def _false_blobs(mask: np.ndarray, truth: np.ndarray) -> int:
    shapes, number = ndimage.label(mask, EIGHT)
    return number - len(set(shapes[truth]) - {0})


def _score(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.4f}"


def _grouped(number: int) -> str:
    return f"{number:,}".replace(",", "\u202f")


def _percent(share: float) -> str:
    return "0 %" if share == 0 else f"{100 * share:.2f} %"


def _probability(value: float) -> str:
    gap = min(value, 1 - value)
    if gap == 0 or gap >= 0.001:
        return f"{value:.4f}"
    if value >= 0.5:
        return f"{value:.{min(9, 1 - int(np.floor(np.log10(gap))))}f}"
    digits, power = f"{value:.1e}".split("e")
    return f"{digits}e−{abs(int(power))}"
