"""A training run on disk: what it was asked, what came out by step and epoch, and the state to resume from.

Every file is written whole or not at all, the state last, so that a kill at any moment leaves the last good epoch.
"""

import json
import math
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from draem_core.atomic import write_atomically
from draem_core.checkpoints import save_checkpoint
from draem_core.disk import is_reserved
from draem_core.inference.devices import describe_machine
from draem_core.methods.draem import Draem
from draem_core.report.cells import table_csv
from draem_core.training.config import ConfigError, TrainConfig, make_config, recorded_config
from draem_core.runs.csv_log import CsvLog, RunFolderError, gone
from draem_core.training.layers import LAYER_COLUMNS
from draem_core.runs.probes import PROBE_COLUMNS, ProbeStore
from draem_core.runs.progress import read_history, read_newest_steps
from draem_core.training.reports import STEP_COLUMNS
from draem_core.training.schedule import best_epochs, learning_rate
from draem_core.types import Card

# What may differ between a run and its resumption; the epochs only as ``_check_same_settings`` allows
_MAY_CHANGE = {
    *("epochs", "out", "data", "anomaly_sources", "start_from", "device", "precision"),
    *("keep", "keep_best", "probes", "probe_side", "test_every", "patience"),
}


__all__ = ["CsvLogs", "RunFolder", "RunFolderError", "environment"]


@dataclass(frozen=True)
class RunFolder:
    """``runs/NAME``: ``config.json`` (with the environment), ``metrics.csv`` by epoch, ``steps.csv``, ``layers.csv``,
    ``probes.csv`` and ``probes/``, ``checkpoints/epoch_0001.safetensors`` …, ``state.pt``, ``stopped.txt``.
    """

    path: Path

    @property
    def checkpoints(self) -> Path:
        """Folder of the per-epoch checkpoints."""
        return self.path / "checkpoints"

    @property
    def state_file(self) -> Path:
        """Everything that a resumed run needs, of the last finished epoch, or of the step that it was stopped after."""
        return self.path / "state.pt"

    @property
    def stop_file(self) -> Path:
        """The sentence with which a run ended before its time; absent otherwise."""
        return self.path / "stopped.txt"

    @property
    def probes(self) -> ProbeStore:
        """The probe set and its pictures by epoch."""
        return ProbeStore(self.path / "probes")

    def checkpoint(self, epoch: int) -> Path:
        """Return where the checkpoint after an epoch is, or was."""
        return self.checkpoints / f"epoch_{epoch:04d}.safetensors"

    @property
    def config_file(self) -> Path:
        """What the run was asked to do, and the environment that it began in."""
        return self.path / "config.json"

    def continued(self, config: TrainConfig) -> TrainConfig:
        """Return the config that the folder's run goes on with: what ``config`` leaves at its default stays as it was.

        Raises:
            ConfigError: the folder holds a run of another config, or of another number of epochs by which its finished
                ones would have been trained at other learning rates.
            RunFolderError: its config cannot be read.
        """
        if not self.config_file.is_file():
            if is_reserved(self.path.name):
                raise ConfigError(
                    f"{self.path.name} is no name for a run: Windows keeps it for a device, or takes it for another. "
                    "Name another --out folder."
                )
            return config
        found = recorded_config(self._described()["config"])
        given = {name: getattr(config, name) for name in config.model_fields_set}
        changed = sorted(name for name in given.keys() - _MAY_CHANGE if given[name] != getattr(found, name))
        if changed:
            raise ConfigError(
                f"{self.path} holds a run with another {', '.join(changed)}. "
                "Name another --out folder, or delete this one to start anew."
            )
        wanted = make_config(found.model_dump() | given)
        self._check_same_settings(wanted, found)
        return wanted

    def start(self, config: TrainConfig) -> dict[str, Any] | None:
        """Create the folder, or return the state to go on from where it holds a run; see ``continued``.

        Raises:
            RunFolderError: its state cannot be read.
        """
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        described = self._described() if self.config_file.is_file() else {"environment": environment()}
        told = described | {"config": config.model_dump(mode="json")}
        if told != described:
            write_atomically(self.config_file, json.dumps(told, indent=2).encode())
        for unfinished in self.path.rglob(".*.tmp"):
            unfinished.unlink(missing_ok=True)
        self.stop_file.unlink(missing_ok=True)
        return self.load_state()

    def load_state(self) -> dict[str, Any] | None:
        """Return the state after the last finished epoch, or None where none is finished."""
        if not self.state_file.is_file():
            return None
        try:
            state: dict[str, Any] | None = torch.load(self.state_file, map_location="cpu", weights_only=True)
            return state
        except Exception as error:  # torch raises many kinds for a file that is damaged
            raise RunFolderError(
                f"{self.state_file} cannot be read ({type(error).__name__}); delete {self.path} to start anew, "
                "or train with --start-from its newest checkpoint into another --out."
            ) from error

    def logs(self, finished_epochs: int, steps: int = 0) -> "CsvLogs":
        """Return the files that grow row by row, cut off behind the last finished epoch and ``steps`` of the next."""
        return CsvLogs(
            steps=CsvLog(self.path / "steps.csv", STEP_COLUMNS, finished_epochs, steps),
            layers=CsvLog(self.path / "layers.csv", LAYER_COLUMNS, finished_epochs),
            probes=CsvLog(self.path / "probes.csv", PROBE_COLUMNS, finished_epochs),
        )

    def save_epoch(self, model: Draem, card: Card, state: dict[str, Any], config: TrainConfig) -> Path:
        """Write checkpoint, metrics and state of a finished epoch, then drop the checkpoints that need not be kept.

        Raises:
            RunFolderError: the folder was taken away meanwhile.
            CheckpointError, OSError: it cannot be written; what was there before is untouched.
        """
        if not self.checkpoints.is_dir():
            raise gone(self.checkpoints, f"epoch {state['epoch']} cannot be saved")
        checkpoint = self.checkpoint(int(state["epoch"]))
        save_checkpoint(checkpoint, model, card, dtype=getattr(torch, config.checkpoint_dtype))
        write_atomically(self.path / "metrics.csv", table_csv(pd.DataFrame(state["history"])))
        self.save_state(state)
        self._drop_old(config, state["history"])
        return checkpoint

    def save_state(self, state: dict[str, Any]) -> None:
        """Write what a resumed run goes on from. Raises OSError where it cannot be written; the old one stays then."""
        write_atomically(self.state_file, lambda file: torch.save(state, file))

    def _drop_old(self, config: TrainConfig, history: list[dict[str, Any]]) -> None:
        if not config.keep:
            return
        best = {self.checkpoint(epoch) for epoch in best_epochs(history).values()} if config.keep_best else set()
        for old in sorted(self.checkpoints.glob("epoch_*.safetensors"))[: -config.keep]:
            if old not in best:
                old.unlink()

    def _check_same_settings(self, wanted: TrainConfig, found: TrainConfig) -> None:
        """Let a run become longer or shorter only where it then equals one that was of that length from the start."""
        if wanted.epochs == found.epochs:
            return
        finished = len(read_history(self.path))
        begun = read_newest_steps(self.path)["epoch"].max()
        if wanted.epochs < finished:
            raise ConfigError(f"{self.path} has {finished} finished epochs already; --epochs cannot go below that.")
        epochs = range(1, max(finished, 0 if math.isnan(begun) else int(begun)) + 1)
        if all(learning_rate(wanted, epoch) == learning_rate(found, epoch) for epoch in epochs):
            return
        raise ConfigError(
            f"{self.path} was to have {found.epochs} epochs, by which the schedule {found.schedule} set the learning "
            f"rates of the {finished} finished ones; a run of {wanted.epochs} would have had others. To go on from its "
            f"weights, train with --start-from {self.checkpoint(finished)} into another --out."
        )

    def _described(self) -> dict[str, Any]:
        try:
            described: dict[str, Any] = json.loads(self.config_file.read_text(encoding="utf-8"))
            recorded_config(described["config"])
        except (OSError, ValueError, KeyError, TypeError, ConfigError) as error:
            raise RunFolderError(
                f"{self.config_file} is no training configuration. Name another --out folder, or delete this one."
            ) from error
        return described


@dataclass(frozen=True)
class CsvLogs:
    """The files of a run that grow row by row."""

    steps: CsvLog
    layers: CsvLog
    probes: CsvLog


def environment() -> dict[str, str]:
    """Return what the figures of a run depend on: machine, processor, versions."""
    return {
        "machine": describe_machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
    }
