"""How long Tune's figures take that are worked out anew at a click: every goal, and an AUROC's interval.

Run ``python benchmarks/tuning.py``.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from draem_core.evaluation.goals import at_most_false_alarms, best_f1, full_recall, least_cost, zones
from draem_core.evaluation.histogram import SLIDER
from draem_core.evaluation.uncertainty import bootstrap_auroc

REPEATS = 5


def milliseconds(work: Callable[[], object]) -> float:
    """Return the median time of ``work``."""
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return 1000 * float(np.median(times))


def scores(images: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (scores (N,) float32, labels (N,) bool) of synthetic images, three in ten of them defective."""
    rng = np.random.default_rng(0)
    labels = rng.random(images) < 0.3
    return (rng.random(images) * 0.7 + 0.3 * labels).astype(np.float32), labels


def every_goal(scores: np.ndarray, labels: np.ndarray) -> list[object]:
    data = scores, labels, SLIDER
    simple = [best_f1(*data), full_recall(*data), at_most_false_alarms(*data, 0.2)]
    return [*simple, least_cost(*data, 5, 1), zones(*data, 0.1, 0.1)]


def main() -> None:
    many, few = scores(10_000), scores(1_000)
    goals = milliseconds(lambda: every_goal(*many))
    print(f"all five goals on 10,000 images: {goals:.0f} ms; the target of 200 ms is {_met(goals <= 200)}")
    interval = milliseconds(lambda: bootstrap_auroc(*few))
    print(f"an AUROC's interval on 1,000 images: {interval:.0f} ms; the target of 150 ms is {_met(interval <= 150)}")


def _met(met: bool) -> str:
    return "met" if met else "missed"


if __name__ == "__main__":
    main()
