"""The command line: ``draem-explorer run | train | score | apply | figure | demo | doctor``.

Reads arguments, calls the library, shows progress. An error that the user can act on is one sentence on
stderr and exit status 2.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from draem_core.apply import UNFINISHED, Verdict, apply_recipe, find_sources, open_recipe
from draem_core.checkpoints import load_checkpoint
from draem_core.commands.doctor import examine
from draem_core.commands.figure import figure_command
from draem_core.commands.run import run_command
from draem_core.commands.terminal import (
    cell,
    complain,
    complain_with_traceback,
    console,
    note,
    note_assumptions,
    progress_bar,
    say,
)
from draem_core.commands.train import train_command
from draem_core.data.datasets import open_dataset
from draem_core.data.demo import make_demo
from draem_core.errors import DraemError
from draem_core.grid_mask import MaskDownscaling
from draem_core.inference import Predictor
from draem_core.inference.precision import Precision
from draem_core.recipe import load_recipe
from draem_core.scoring import METRIC_NAMES, score_dataset

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def main() -> None:
    """Run the command line; errors meant for the user become one sentence and exit status 2."""
    try:
        app()
    except DraemError as error:
        complain(error)
        raise SystemExit(2) from error
    except OSError as error:
        complain(f"{error.filename or 'A file'} cannot be used: {error.strerror or error}.")
        raise SystemExit(2) from error
    except Exception as error:
        complain_with_traceback()
        raise SystemExit(1) from error


app.command("run")(run_command)
app.command("train")(train_command)


@app.command("score")
def score_command(
    checkpoint: Annotated[Path, typer.Option(help="Any DRAEM checkpoint.")],
    data: Annotated[Path, typer.Option(help="Category folder.")],
    out: Annotated[Path, typer.Option(help="Folder for scores.csv, metrics.json and maps.npy.")],
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    precision: Annotated[Precision, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="Images per batch.")] = 8,
    mask_downscaling: Annotated[
        MaskDownscaling,
        typer.Option(help="Masks on the map's grid: the pixel under each centre, or any that a defect touches."),
    ] = "nearest",
) -> None:
    """Score a dataset's test images: scores.csv, and metrics.json with AUROC, AP, F1max and AUPRO.

    Stopped at any moment, the same command goes on. Results of another checkpoint in the same folder are replaced.
    """
    dataset = open_dataset(data)
    predictor = Predictor(load_checkpoint(checkpoint), device=device, precision=precision)
    say(f"{dataset.name}: {len(dataset.test)} test images on {predictor.device}, {predictor.precision}")
    note_assumptions(predictor.card)
    with progress_bar() as progress:
        task = progress.add_task("scoring", total=len(dataset.test))

        def on_progress(done: int, total: int) -> None:
            text = "measuring" if done == total else f"scoring {done}/{total}"
            progress.update(task, completed=done, description=text)

        try:
            scored = score_dataset(
                predictor,
                dataset,
                out,
                batch_size=batch_size,
                mask_downscaling=mask_downscaling,
                on_progress=on_progress,
            )
        except KeyboardInterrupt as error:
            done = f"{progress.tasks[0].completed:.0f} of {len(dataset.test)}"
            complain(f"Stopped after {done} images. The same command goes on from there.")
            raise typer.Exit(130) from error
    for problem in (*dataset.warnings, *scored.problems):
        note(problem)
    console.print(_metrics_table(scored.metrics))
    for sentence in _about_metrics(scored.metrics):
        say(sentence)
    say(f"Wrote {out / 'scores.csv'} and {out / 'metrics.json'}")


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
        complain_with_traceback()
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
    for sentence in opened.notes:
        complain(f"Note: {sentence}")
    with progress_bar() as progress:
        task = progress.add_task("judging", total=len(sources))

        def on_verdict(verdict: Verdict) -> None:
            progress.advance(task)
            if verdict.error:
                complain(verdict.error)

        try:
            summary = apply_recipe(recipe, opened.predictor, sources, out, on_verdict)
        except BaseException:
            if (out / UNFINISHED).exists():
                complain(f"Stopped. What was judged until then is in {out / UNFINISHED}.")
            raise
    for sentence in summary.notes:
        complain(f"Note: {sentence}")
    counts = f"{summary.ok} OK, {summary.unsure} unsure, {summary.ng} NG, {summary.errors} errors"
    say(f"{counts}. Wrote {out / 'verdicts.csv'}")
    return summary.exit_status


app.command("figure")(figure_command)


@app.command("demo")
def demo_command(
    out: Annotated[Path, typer.Option(help="Where the two categories go.")] = Path("datasets/demo"),
    seed: Annotated[int, typer.Option(help="The same seed gives the same pictures.")] = 0,
) -> None:
    """Draw the demo dataset: two categories in MVTec layout, offline."""
    with progress_bar() as progress:
        task = progress.add_task("drawing", total=None)
        folders = make_demo(
            out, seed=seed, on_progress=lambda done, of: progress.update(task, completed=done, total=of)
        )
    say("Demo dataset: " + ", ".join(str(folder) for folder in folders))


@app.command("doctor")
def doctor_command() -> None:
    """Tell device, precision and versions, and run a self-test."""
    table = Table(show_header=False, box=None)
    report = examine()
    for name, value in report.facts.items():
        table.add_row(cell(name), cell(value))
    console.print(table)
    say(report.verdict)
    if not report.healthy:
        raise typer.Exit(1)


def _about_metrics(metrics: dict[str, Any]) -> Iterator[str]:
    """Yield why metrics are undefined, and which rule brought the masks to the map's grid, with the other's metrics."""
    for name, reason in metrics["undefined"].items():
        yield f"{name} is undefined: {reason}"
    for kind, row in metrics["per_defect"].items():
        for name, reason in row["undefined"].items():
            if name not in metrics["undefined"]:
                yield f"{name} of {kind} is undefined: {reason}"
    if other := metrics["other_mask_downscaling"]:
        both = ", ".join(
            f"{name.replace('_', ' ')} {_number(metrics[name])} ({_number(other[name])})"
            for name in METRIC_NAMES
            if name in other
        )
        rule = metrics["mask_downscaling"]
        yield f"Masks are brought to the map's grid by mask downscaling {rule} (and by {other['rule']}): {both}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _metrics_table(metrics: dict[str, Any]) -> Table:
    """One row for the whole test set and one for each defect kind."""
    table = Table()
    table.add_column("kind")
    for name in ("images", *METRIC_NAMES):
        table.add_column(name.replace("_", " "), justify="right")
    for kind, row in {"all": metrics, **metrics["per_defect"]}.items():
        values = (_number(row[name]) for name in METRIC_NAMES)
        table.add_row(cell(kind), str(row["images"]), *values)
    return table
