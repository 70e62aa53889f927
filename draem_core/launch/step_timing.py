"""How long a step of a training takes on this machine, measured by three of them on noise, before anything is started.

In a process of its own (``python -m draem_core.launch.step_timing CONFIG.toml``): the app never holds the memory.
"""

import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import torch

from draem_core.errors import DraemError
from draem_core.training.config import TrainConfig, make_config
from draem_core.training.loop import train
from draem_core.training.reports import StepReport

STEPS = 3  # the first one warms up and does not count
_PATIENCE = 120.0  # s
_PROJECT = Path(__file__).resolve().parents[2]


class StepTimingError(DraemError):
    """The time of a step could not be measured; the message says why."""


class _EnoughError(Exception):
    pass


def measure(config: TrainConfig) -> float:
    """Return the seconds that a step takes here and now, by running the training loop on noise; changes no run.

    Raises:
        DraemError: what the training itself would say.
    """
    sides, (height, width) = config.input_size, config.train_size
    images = torch.randint(0, 256, (STEPS * config.batch_size, 3, *sides), dtype=torch.uint8)
    textures = torch.randint(0, 256, (8, 3, height, width), dtype=torch.uint8)
    ends: list[float] = []

    def on_step(_: StepReport) -> None:
        ends.append(time.perf_counter())
        if len(ends) == STEPS:
            raise _EnoughError

    with tempfile.TemporaryDirectory(prefix="draem_step_timing_") as folder:
        changes = {"out": Path(folder), "probes": 0, "validation_share": 0.0, "patience": 0, "start_from": None}
        with suppress(_EnoughError):
            train(config.model_copy(update=changes), images, textures, on_step=on_step)
    return (ends[-1] - ends[0]) / (len(ends) - 1)


def measure_in_subprocess(toml: str) -> float:
    """Return the same, measured in another process, for a config as TOML.

    Raises:
        StepTimingError: the training could not make its first steps, or not in two minutes; the message says why.
    """
    with tempfile.TemporaryDirectory(prefix="draem_step_timing_") as folder:
        file = Path(folder) / "train.toml"
        file.write_text(toml, encoding="utf-8")
        command = [sys.executable, "-m", "draem_core.launch.step_timing", str(file)]
        try:
            done = subprocess.run(command, cwd=_PROJECT, capture_output=True, text=True, timeout=_PATIENCE)
        except subprocess.TimeoutExpired as error:
            raise StepTimingError(
                f"{STEPS} steps take more than {_PATIENCE:.0f} s here. Take narrower networks, crops or a GPU."
            ) from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise StepTimingError(f"The first steps fail: {last}")
    return float(done.stdout.strip().splitlines()[-1])


if __name__ == "__main__":
    try:
        print(measure(make_config({}, Path(sys.argv[1]))))
    except DraemError as problem:
        sys.exit(str(problem))
