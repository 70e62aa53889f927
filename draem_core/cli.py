"""The command line: ``python -m draem_core train | score | apply | figure | demo | doctor``.

Reads arguments, calls the library, shows progress. An error that the user can act on is one sentence on
stderr and exit status 2.
"""

import sys
import traceback
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from draem_core.apply import UNFINISHED, Verdict, apply_recipe, find_sources, open_recipe
from draem_core.checkpoints import load_checkpoint
from draem_core.data.datasets import open_dataset
from draem_core.data.demo import make_demo
from draem_core.data.pictures import load_pictures
from draem_core.data.textures import load_textures
from draem_core.devices import keep_freed_memory
from draem_core.doctor import examine
from draem_core.errors import DraemError
from draem_core.figure_command import figure_command
from draem_core.inference import Predictor
from draem_core.precision import Precision
from draem_core.recipe import load_recipe
from draem_core.scoring import METRIC_NAMES, score_dataset
from draem_core.training.config import make_config
from draem_core.training.labelled import few_of_each_kind, load_labelled
from draem_core.training.loop import train
from draem_core.training.parallel import torchrun_rank
from draem_core.training.reports import EpochReport, StepReport
from draem_core.training.run_folder import RunFolder
from draem_core.training.tensorboard import TensorBoardLog
from draem_core.training.validation import disagreement

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
console = Console()


def main() -> None:
    """Run the command line; errors meant for the user become one sentence and exit status 2."""
    try:
        app()
    except DraemError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from error
    except OSError as error:
        print(f"{error.filename or 'A file'} cannot be used: {error.strerror or error}.", file=sys.stderr)
        raise SystemExit(2) from error


@app.command("train")
def train_command(
    config: Annotated[Path | None, typer.Option(help="TOML file; options given here win over it.")] = None,
    data: Annotated[Path | None, typer.Option(help="Category folder, e.g. datasets/demo/fabric.")] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder; one that exists is resumed.")] = None,
    anomaly_sources: Annotated[Path | None, typer.Option(help="Folder of textures; default: built-in ones.")] = None,
    start_from: Annotated[Path | None, typer.Option(help="Begin with this checkpoint's weights.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the good images. Default 700.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images per step. Default 8.")] = None,
    width: Annotated[
        tuple[int, int] | None, typer.Option(help="Base widths of the two networks. Default 128 64.")
    ] = None,
    sspcab: Annotated[bool | None, typer.Option(help="Put an SSPCAB into the reconstructive network.")] = None,
    crop_size: Annotated[int | None, typer.Option(help="Train on random squares of this side. Default: all.")] = None,
    optimizer: Annotated[str | None, typer.Option(help="adam or adamw.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Default 0.0001.")] = None,
    schedule: Annotated[str | None, typer.Option(help="original, anomalib or cosine.")] = None,
    loss_weight: Annotated[
        list[str] | None, typer.Option(help="What a part of the loss weighs, e.g. l1=1; repeat for several.")
    ] = None,
    cutpaste_share: Annotated[float | None, typer.Option(help="Share of CutPaste anomalies. Default 0.")] = None,
    seed: Annotated[int | None, typer.Option(help="Default 0.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = None,
    precision: Annotated[str | None, typer.Option(help="auto, float32, bfloat16 or float16.")] = None,
    validation_share: Annotated[
        float | None, typer.Option(help="Share of good images held out and judged each epoch. Default 0.")
    ] = None,
    test_every: Annotated[
        int | None, typer.Option(help="Judge the test set every so many epochs; 0 never. Default 0.")
    ] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after so many epochs without a better validation loss. Default never.")
    ] = None,
    probes: Annotated[int | None, typer.Option(help="Images whose repaint is kept at each epoch. Default 8.")] = None,
    keep: Annotated[int | None, typer.Option(help="Newest checkpoints to keep; 0 keeps all. Default 3.")] = None,
    keep_best: Annotated[bool | None, typer.Option(help="Keep the best checkpoints besides. Default yes.")] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads; default all cores.")] = None,
    tensorboard: Annotated[bool, typer.Option(help="Write curves for TensorBoard into the run folder too.")] = False,
) -> None:
    """Train DRAEM on a category's good images. Killed at any moment, the same command goes on.

    On several GPUs: torchrun --nproc-per-node 4 -m draem_core train …
    """
    keep_freed_memory()
    if threads:
        torch.set_num_threads(threads)
    given = {
        "data": data,
        "out": out,
        "anomaly_sources": anomaly_sources,
        "start_from": start_from,
        "epochs": epochs,
        "batch_size": batch_size,
        "widths": width,
        "sspcab": sspcab,
        "crop_size": crop_size,
        "optimizer": optimizer,
        "learning_rate": learning_rate,
        "schedule": schedule,
        "loss_weights": {part: weight for part, _, weight in (text.partition("=") for text in loss_weight or ())}
        or None,
        "cutpaste_share": cutpaste_share,
        "seed": seed,
        "device": device,
        "precision": precision,
        "validation_share": validation_share,
        "test_every": test_every,
        "patience": patience,
        "probes": probes,
        "keep": keep,
        "keep_best": keep_best,
    }
    settings = make_config(given, config)
    settings = RunFolder(settings.out).continued(settings)
    quiet = torchrun_rank() > 0  # the first process speaks for all
    log = TensorBoardLog(settings.out / "tensorboard") if tensorboard and not quiet else None
    dataset = open_dataset(settings.data)
    images = load_pictures([sample.path for sample in dataset.train_good], settings.input_size)
    textures = load_textures(settings.anomaly_sources, settings.train_size, settings.seed)
    judged_by = dataset.test if settings.test_every else few_of_each_kind(dataset.test, settings.probes)
    test = load_labelled(judged_by, settings.input_size)
    with _progress(disable=quiet) as progress:
        if not quiet:
            for problem in test.problems:
                progress.console.print(f"[yellow]Note:[/yellow] {problem}")
            progress.console.print(f"{len(images)} good images, {len(textures)} anomaly textures → {settings.out}")
        task = progress.add_task("training", total=None)

        def on_step(report: StepReport) -> None:
            done = (report.epoch - 1) * report.steps + report.step
            text = (
                f"epoch {report.epoch}/{report.epochs}  loss {report.loss:.4f}  {_duration(report.seconds_left)} left"
            )
            progress.update(task, total=report.epochs * report.steps, completed=done, description=text)
            if log:
                log.step(report)

        def on_epoch(report: EpochReport) -> None:
            progress.console.print(_epoch_line(report), highlight=False, soft_wrap=True)
            if (warning := disagreement(report.row())) is not None:
                progress.console.print(f"[yellow]Note:[/yellow] {warning}")
            if log:
                log.epoch(report)

        checkpoint = train(settings, images, textures, test=test, on_step=on_step, on_epoch=on_epoch)
    if not quiet:
        console.print(f"Trained. Checkpoint: {checkpoint}")


@app.command("score")
def score_command(
    checkpoint: Annotated[Path, typer.Option(help="Any DRAEM checkpoint.")],
    data: Annotated[Path, typer.Option(help="Category folder.")],
    out: Annotated[Path, typer.Option(help="Folder for scores.csv, metrics.json and maps.npy.")],
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    precision: Annotated[Precision, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="Images per batch.")] = 8,
) -> None:
    """Score a dataset's test images: scores.csv, and metrics.json with AUROC, AP, F1max and AUPRO.

    Stopped at any moment, the same command goes on. Results of another checkpoint in the same folder are replaced.
    """
    dataset = open_dataset(data)
    predictor = Predictor(load_checkpoint(checkpoint), device=device, precision=precision)
    console.print(f"{dataset.name}: {len(dataset.test)} test images on {predictor.device}, {predictor.precision}")
    with _progress() as progress:
        task = progress.add_task("scoring", total=len(dataset.test))

        def on_progress(done: int, total: int) -> None:
            text = "measuring" if done == total else f"scoring {done}/{total}"
            progress.update(task, completed=done, description=text)

        try:
            scored = score_dataset(predictor, dataset, out, batch_size=batch_size, on_progress=on_progress)
        except KeyboardInterrupt as error:
            done = f"{progress.tasks[0].completed:.0f} of {len(dataset.test)}"
            print(f"Stopped after {done} images. The same command goes on from there.", file=sys.stderr)
            raise typer.Exit(130) from error
    for problem in (*dataset.warnings, *scored.problems):
        console.print(f"[yellow]Note:[/yellow] {escape(problem)}")
    console.print(_metrics_table(scored.metrics))
    for name, reason in scored.metrics["undefined"].items():
        console.print(f"{name} is undefined: {reason}")
    console.print(f"Wrote {out / 'scores.csv'} and {out / 'metrics.json'}")


@app.command("apply")
def apply_command(
    recipe: Annotated[Path, typer.Argument(help="A recipe saved on the Tune page.")],
    images: Annotated[list[Path], typer.Argument(help="Pictures, or folders with all that is below them.")],
    out: Annotated[Path, typer.Option(help="Folder for verdicts.csv, masks, picture_masks and overlays.")],
    checkpoint: Annotated[Path | None, typer.Option(help="The weights; default: found by their digest.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1, mps. Default: the recipe's.")] = None,
    precision: Annotated[
        Precision | None, typer.Option(help="auto, float32, bfloat16 or float16. Default: the recipe's.")
    ] = None,
) -> None:
    """Judge pictures by a recipe. Exit status: 0 all OK, 1 some NG or unsure, 2 an error."""
    try:
        status = _apply(recipe, images, out, checkpoint, device, precision)
    except (DraemError, OSError):
        raise
    except KeyboardInterrupt:
        status = 2
    except Exception:  # Python's own status for it would be 1, which is a verdict here
        traceback.print_exc()
        status = 2
    raise typer.Exit(status)


def _apply(
    recipe_file: Path,
    images: list[Path],
    out: Path,
    checkpoint: Path | None,
    device: str | None,
    precision: Precision | None,
) -> int:
    recipe = load_recipe(recipe_file)
    sources = find_sources(images, leave_out=out)
    opened = open_recipe(recipe, checkpoint, device, precision)
    for note in opened.notes:
        print(f"Note: {note}", file=sys.stderr)
    with _progress() as progress:
        task = progress.add_task("judging", total=len(sources))

        def on_verdict(verdict: Verdict) -> None:
            progress.advance(task)
            if verdict.error:
                print(verdict.error, file=sys.stderr)

        try:
            summary = apply_recipe(recipe, opened.predictor, sources, out, on_verdict)
        except BaseException:
            if (out / UNFINISHED).exists():
                print(f"Stopped. What was judged until then is in {out / UNFINISHED}.", file=sys.stderr)
            raise
    counts = f"{summary.ok} OK, {summary.unsure} unsure, {summary.ng} NG, {summary.errors} errors"
    console.print(f"{counts}. Wrote {out / 'verdicts.csv'}", highlight=False, markup=False, soft_wrap=True)
    return summary.exit_status


app.command("figure")(figure_command)


@app.command("demo")
def demo_command(
    out: Annotated[Path, typer.Option(help="Where the two categories go.")] = Path("datasets/demo"),
    seed: Annotated[int, typer.Option(help="The same seed gives the same pictures.")] = 0,
) -> None:
    """Draw the demo dataset: two categories in MVTec layout, offline."""
    with _progress() as progress:
        task = progress.add_task("drawing", total=None)
        folders = make_demo(
            out, seed=seed, on_progress=lambda done, of: progress.update(task, completed=done, total=of)
        )
    console.print("Demo dataset: " + ", ".join(str(folder) for folder in folders))


@app.command("doctor")
def doctor_command() -> None:
    """Tell device, precision and versions, and run a self-test."""
    table = Table(show_header=False, box=None)
    report = examine()
    for name, value in report.facts.items():
        table.add_row(name, value)
    console.print(table)
    console.print(report.verdict)
    if not report.healthy:
        raise typer.Exit(1)


def _progress(disable: bool = False) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=disable)


def _epoch_line(report: EpochReport) -> str:
    parts = f"l2 {report.l2:.5f}  ssim {report.ssim:.4f}  focal {report.focal:.5f}  total {report.total:.4f}"
    speed = f"{report.images / report.seconds:.1f} images/s"
    judged = ""
    if report.validation:
        judged += f"  validation {report.validation.total:.4f} (image AUROC {report.validation.image_auroc:.3f})"
    if report.test:
        judged += f"  test image AUROC {report.test.image_auroc:.3f}, pixel {report.test.pixel_auroc:.3f}"
    return f"epoch {report.epoch}  {parts}{judged}  {speed}"


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {seconds:02d} s"


def _metrics_table(metrics: dict) -> Table:
    """One row for the whole test set and one for each defect kind."""
    table = Table()
    table.add_column("kind")
    for name in ("images", *METRIC_NAMES):
        table.add_column(name.replace("_", " "), justify="right")
    for kind, row in {"all": metrics, **metrics["per_defect"]}.items():
        values = ("–" if row[name] is None else f"{row[name]:.4f}" for name in METRIC_NAMES)
        table.add_row(kind, str(row["images"]), *values)
    return table
