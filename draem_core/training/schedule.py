"""How fast an epoch learns, which epoch is best, and when to stop: all from the config and the history alone."""

import math
from collections.abc import Callable, Mapping, Sequence

from draem_core.training.config import TrainConfig

WARM_UP_SHARE = 0.03
Rules = Mapping[str, tuple[str, Callable[..., int]]]
KEPT_BY: Rules = {"validation loss": ("validation_total", min), "test image AUROC": ("test_image_auroc", max)}
BEST_BY: Rules = {
    **KEPT_BY,
    "test pixel AUROC": ("test_pixel_auroc", max),
    "test image F1max": ("test_image_f1max", max),
    "validation image AUROC": ("validation_image_auroc", max),
    "validation pixel AUROC": ("validation_pixel_auroc", max),
    "training loss": ("total", min),
}
History = Sequence[Mapping[str, float | None]]


def learning_rate(config: TrainConfig, epoch: int) -> float:
    """Return the learning rate of an epoch (from 1) by the config's schedule."""
    if config.schedule == "original":
        drops = sum(epoch > share * config.epochs for share in (0.8, 0.9))
        return config.learning_rate * 0.2**drops
    if config.schedule == "anomalib":
        return config.learning_rate * 0.1 ** sum(epoch > drop for drop in (400, 600))
    warm_up = max(1, round(WARM_UP_SHARE * config.epochs))
    if epoch <= warm_up:
        return config.learning_rate * epoch / (warm_up + 1)
    progress = (epoch - warm_up) / (config.epochs - warm_up + 1)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


def best_epochs(history: History, rules: Rules = KEPT_BY) -> dict[str, int]:
    """Return the best epoch by each rule (column, min or max) that has a figure; the earliest of equals."""
    best = {}
    for rule, (column, choose) in rules.items():
        figures = {int(row["epoch"] or 0): row.get(column) for row in history}
        defined = {epoch: value for epoch, value in figures.items() if value is not None and not math.isnan(value)}
        if defined:
            best[rule] = choose(defined, key=lambda epoch: (defined[epoch], -epoch if choose is max else epoch))
    return best


def patience_is_spent(config: TrainConfig, history: History) -> bool:
    """Tell whether the validation loss has not improved for the config's ``patience`` epochs."""
    best = best_epochs(history).get("validation loss")
    return bool(config.patience and best is not None and len(history) - best >= config.patience)
