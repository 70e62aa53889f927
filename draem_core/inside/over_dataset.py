"""What an ablation, or leaving the discriminator out, costs over a whole dataset: AUROC by image and by pixel.

Holds no more maps at once than a few. Knows no pages and no jobs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from draem_core.data.datasets import Sample, read_mask
from draem_core.data.images import read_image
from draem_core.errors import Cancelled, ImageError, NonFiniteError
from draem_core.inference import Predictor
from draem_core.inside.ablations import AS_TRAINED, Ablations, predict_ablated, without_discriminator
from draem_core.metrics import image_auroc
from draem_core.sweep import ThresholdSweep

AS_IT_IS, DIFFERENCE, ABLATED = "as trained", "|x − x̂|", "ablated"
_AT_ONCE = 16  # maps that are held until they are counted


@dataclass(frozen=True)
class DatasetMetrics:
    """AUROCs in [0, 1] of one way to make maps; NaN where the dataset lacks good or defect ones."""

    image_auroc: float
    pixel_auroc: float


@dataclass(frozen=True)
class Comparison:
    """metrics: by AS_IT_IS, DIFFERENCE and, where something is ablated, ABLATED. problems: pictures left out."""

    metrics: dict[str, DatasetMetrics]
    images: int
    problems: tuple[str, ...]


def compare_over_dataset(
    predictor: Predictor,
    samples: Sequence[Sample],
    ablations: Ablations = AS_TRAINED,
    *,
    ablated_predictor: Predictor | None = None,
    on_progress: Callable[[int, int], object] = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Comparison:
    """Run the network, as trained and with ``ablations``, over the labelled ones of ``samples``.

    Args:
        ablated_predictor: the same checkpoint in another precision, which then counts as ablated; None takes
            ``predictor`` for both.

    Image scores follow the card's rule, that of |x − x̂| too. The pixel AUROC is streamed, see `ThresholdSweep`.

    Raises:
        Cancelled: ``cancelled`` said so before a picture.
        DraemError: the device's memory ran out, or the checkpoint lacks what an ablation turns off.
    """
    labelled = [sample for sample in samples if sample.label is not None]
    is_ablated = ablations != AS_TRAINED or ablated_predictor is not None
    names = [AS_IT_IS, DIFFERENCE] + [ABLATED] * is_ablated
    histograms = {name: _Histograms() for name in names}
    problems = []
    for done, sample in enumerate(labelled):
        if cancelled():
            raise Cancelled(f"Stopped after {done} of {len(labelled)} images.")
        try:
            picture = read_image(sample.path)
            truth = read_mask(sample, predictor.card.input_size)
            prediction = predictor.predict(picture, sample.name)
            found = {AS_IT_IS: prediction, DIFFERENCE: without_discriminator(prediction, predictor.card.score_rule)}
            if is_ablated:
                found[ABLATED] = predict_ablated(ablated_predictor or predictor, picture, ablations, sample.name)
        except (ImageError, NonFiniteError) as error:
            problems.append(str(error))
            continue
        for name, one in found.items():
            histograms[name].add(one.anomaly_map, truth, bool(sample.label), one.image_score)
        on_progress(done + 1, len(labelled))
    metrics = {name: histogram.metrics() for name, histogram in histograms.items()}
    return Comparison(metrics, len(labelled) - len(problems), tuple(problems))


@dataclass(eq=False)
class _Histograms:
    """Scores and labels of all images so far, their pixels counted but for the last few maps."""

    scores: list[float] = field(default_factory=list)
    labels: list[bool] = field(default_factory=list)
    _waiting: list[tuple[np.ndarray, np.ndarray | None, bool]] = field(default_factory=list)
    _pixels: ThresholdSweep | None = None

    def add(self, anomaly_map: np.ndarray, truth: np.ndarray | None, is_defect: bool, score: float) -> None:
        self.scores.append(score)
        self.labels.append(is_defect)
        self._waiting.append((anomaly_map, truth, is_defect))
        if len(self._waiting) == _AT_ONCE:
            self._count()

    def metrics(self) -> DatasetMetrics:
        if self._waiting:
            self._count()
        pixel_auroc = float("nan") if self._pixels is None else self._pixels.metrics[0].pixel_auroc
        return DatasetMetrics(image_auroc(np.array(self.scores), np.array(self.labels, int)), pixel_auroc)

    def _count(self) -> None:
        maps, truths, labels = zip(*self._waiting, strict=True)
        counted = ThresholdSweep.from_maps(maps, truths, (1,), labels=labels)
        self._pixels = counted if self._pixels is None else ThresholdSweep.merge([self._pixels, counted])
        self._waiting.clear()
