"""``python -m draem_core train``: an option for each field of ``TrainConfig``, and progress while it trains."""

import inspect
import signal
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Event
from typing import Annotated, Any, Union, get_args, get_origin

import torch
import typer
from pydantic.fields import FieldInfo

from draem_core.commands.terminal import complain, note, progress_bar, say
from draem_core.data.datasets import open_dataset
from draem_core.data.pictures import load_pictures
from draem_core.data.textures import load_textures
from draem_core.formatting import duration
from draem_core.inference.devices import keep_freed_memory
from draem_core.runs.run_folder import RunFolder
from draem_core.runs.tensorboard import TensorBoardLog
from draem_core.training.batches import held_out_of
from draem_core.training.config import TrainConfig, make_config
from draem_core.training.distributed import torchrun_rank, torchrun_size
from draem_core.training.labelled import few_of_each_kind, load_labelled
from draem_core.training.loop import TrainingStopped, train
from draem_core.training.reports import EpochReport, StepReport
from draem_core.training.validation import disagreement

STOPPED = 130  # exit status, as a shell has it for Ctrl-C
_CALLED = {"widths": "--width", "loss_weights": "--loss-weight"}  # else as the field


def train_command(
    config: Annotated[Path | None, typer.Option(help="TOML file of the fields below; options win over it.")] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads; default all cores.")] = None,
    tensorboard: Annotated[bool, typer.Option(help="Write curves for TensorBoard into the run folder too.")] = False,
    **fields: Any,  # of TrainConfig, None where not given; ``_with_fields`` tells typer which
) -> None:
    """Train DRAEM on a category's good images. Stopped or killed at any moment, the same command goes on.

    On several GPUs: torchrun --nproc-per-node 4 -m draem_core train …
    """
    keep_freed_memory()
    if threads:
        torch.set_num_threads(threads)
    if fields["loss_weights"]:
        fields["loss_weights"] = {
            part: weight for part, _, weight in (one.partition("=") for one in fields["loss_weights"])
        }
    settings = make_config(fields, config)
    with _asked_to_stop() if torchrun_size() == 1 else nullcontext(None) as stop:
        try:
            _train(RunFolder(settings.out).continued(settings), tensorboard, stop)
        except TrainingStopped as stopped:
            complain(stopped)
            raise typer.Exit(STOPPED) from stopped


def _train(settings: TrainConfig, tensorboard: bool, stop: Callable[[], bool] | None) -> None:
    quiet = torchrun_rank() > 0  # the first process speaks for all
    log = TensorBoardLog(settings.out / "tensorboard") if tensorboard and not quiet else None
    dataset = open_dataset(settings.data)
    notes: list[str] = []
    images = load_pictures([sample.path for sample in dataset.train_good], settings.input_size, notes.append)
    textures = load_textures(settings.anomaly_sources, settings.train_size, settings.seed)
    evaluation_set = dataset.test if settings.test_every else few_of_each_kind(dataset.test, settings.probes)
    test = load_labelled(evaluation_set, settings.input_size)
    with progress_bar(disable=quiet) as progress:
        if not quiet:
            for problem in (*notes, *test.problems):
                note(problem)
            held_out = held_out_of(len(images), settings.validation_share)
            evaluated = f" ({held_out} held out)" if held_out else ""
            say(f"{len(images)} good images{evaluated}, {len(textures)} anomaly textures → {settings.out}")
        task = progress.add_task("training", total=None)

        def on_step(report: StepReport) -> None:
            done = (report.epoch - 1) * report.steps + report.step
            left = duration(report.seconds_left)
            text = f"epoch {report.epoch}/{report.epochs}  loss {report.loss:.4f}  {left} left"
            progress.update(task, total=report.epochs * report.steps, completed=done, description=text)
            if log:
                log.step(report)

        def on_epoch(report: EpochReport) -> None:
            say(_epoch_line(report))
            if (warning := disagreement(report.row())) is not None:
                note(warning)
            if log:
                log.epoch(report)

        checkpoint = train(settings, images, textures, test=test, on_step=on_step, on_epoch=on_epoch, stop=stop)
    if not quiet:
        say(f"Trained. Checkpoint: {checkpoint}")


@contextmanager
def _asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Give a function that tells whether SIGTERM or Ctrl-C has come; a second one ends the process at once."""
    asked = Event()

    def note(number: int, _: types.FrameType | None) -> None:
        asked.set()
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _with_fields(command: Callable[..., None]) -> None:
    """Make typer see an option for each field of TrainConfig in place of ``**fields``."""
    signature = inspect.signature(command)
    own = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
    first, *rest = own
    options = [_option(name, field) for name, field in TrainConfig.model_fields.items()]
    parameters = [first, *options, *rest]
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]


def _option(name: str, field: FieldInfo) -> inspect.Parameter:
    default = field.get_default()
    shown = " ".join(map(str, default)) if isinstance(default, tuple) else str(default)
    kind: Any = _plain(field.annotation)
    text = f"{field.description} Default {shown}."
    if name == "loss_weights":
        kind, text = list[str], f"{field.description} For instance l1=1; repeat for several. Default {shown}."
    elif field.is_required() or default is None:
        text = str(field.description)
    names = [_CALLED[name]] if name in _CALLED else []
    return inspect.Parameter(
        name,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=None,
        annotation=Annotated[kind | None, typer.Option(*names, help=text)],
    )


def _plain(annotation: Any) -> Any:
    """Return a field's type as typer knows it: without pydantic's ranges and without None."""
    arguments = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return _plain(arguments[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return _plain(next(one for one in arguments if one is not types.NoneType))
    if get_origin(annotation) is tuple:
        return tuple[tuple(map(_plain, arguments))]  # type: ignore[misc]
    return annotation


def _epoch_line(report: EpochReport) -> str:
    parts = f"l2 {report.l2:.5f}  ssim {report.ssim:.4f}  focal {report.focal:.5f}  total {report.total:.4f}"
    speed = f"{report.images / report.seconds:.1f} images/s"
    evaluated = ""
    if report.validation:
        evaluated += f"  validation {report.validation.total:.4f} (image AUROC {report.validation.image_auroc:.3f})"
    if report.test:
        evaluated += f"  test image AUROC {report.test.image_auroc:.3f}, pixel {report.test.pixel_auroc:.3f}"
    return f"epoch {report.epoch}  {parts}{evaluated}  {speed}"


_with_fields(train_command)
