"""How well the bundled checkpoints find the demo's defects: the README's tables.

    python benchmarks/demo.py

Scores each category's test images with its checkpoint, as ``python -m draem_core score`` does, and prints Markdown.
"""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # this checkout's library, wherever it is run from

from draem_core import Predictor, load_checkpoint  # noqa: E402
from draem_core.data.datasets import open_dataset  # noqa: E402
from draem_core.data.demo import CATEGORIES, make_demo  # noqa: E402
from draem_core.inference.devices import describe_machine  # noqa: E402
from draem_core.scoring import METRIC_NAMES, score_dataset  # noqa: E402


def main() -> None:
    """Print one table for each category."""
    make_demo(ROOT / "datasets" / "demo")
    print(f"On {describe_machine()}.")
    for category in CATEGORIES:
        predictor = Predictor(load_checkpoint(ROOT / "checkpoints" / f"{category.name}.safetensors"))
        dataset = open_dataset(ROOT / "datasets" / "demo" / category.name)
        with tempfile.TemporaryDirectory() as folder:
            figures = score_dataset(predictor, dataset, Path(folder)).metrics
        training = predictor.card.training or {}
        print(
            f"\n**{category.name}** ({figures['images']} images in {figures['seconds']:.0f} s, {predictor.precision}; "
            f"trained {training['epochs']} epochs in {training['seconds'] / 60:.0f} min on {training['machine']})\n"
        )
        print("| kind | images | " + " | ".join(name.replace("_", " ") for name in METRIC_NAMES) + " |")
        print("|---|" + "--:|" * (len(METRIC_NAMES) + 1))
        for kind, row in {"all": figures, **figures["per_defect"]}.items():
            values = " | ".join(f"{row[name]:.3f}" for name in METRIC_NAMES)
            print(f"| {kind} | {row['images']} | {values} |")


if __name__ == "__main__":
    main()
