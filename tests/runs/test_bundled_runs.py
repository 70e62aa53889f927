"""The runs that the Epochs page opens with: one that learned, one that collapsed, and what the diagnosis says."""

from pathlib import Path

from draem_core.diagnostics import diagnose
from draem_core.runs.review import load_review

RUNS = Path(__file__).parents[2] / "checkpoints" / "runs"


def test_the_healthy_run_goes_from_noise_to_good_and_nothing_is_wrong_with_it() -> None:
    review = load_review(RUNS / "metal")
    figures = review.metrics.set_index("epoch")["test_image_auroc"].dropna()
    assert len(review.epochs) == 28
    assert figures.iloc[0] < 0.7
    assert figures.iloc[-1] > 0.95
    assert diagnose(review) == ()


def test_its_first_repaint_is_one_colour_and_its_last_one_the_part() -> None:
    review = load_review(RUNS / "metal")
    assert [finding.kind for finding in diagnose(review, epoch=1)] == ["reconstruction_constant"]
    off = review.probe_table.groupby("epoch")["difference_mean"].median()
    assert off.iloc[-1] < 0.03 < 0.2 < off.iloc[0]


def test_the_collapsed_run_is_named_rightly() -> None:
    findings = diagnose(load_review(RUNS / "metal_collapsed"))
    assert findings[0].kind == "map_high_on_good"
    assert "focal" in findings[0].next_step


def test_the_bundled_runs_stay_small() -> None:
    for run in RUNS.iterdir():
        assert sum(file.stat().st_size for file in run.rglob("*") if file.is_file()) < 10e6, run.name
