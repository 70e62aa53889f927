"""A training run on disk: config, metrics by epoch, checkpoints by epoch, and the state to resume from.

Every file is written whole or not at all, so that a kill at any moment leaves the last good epoch.
"""

import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from draem_core.atomic import write_atomically
from draem_core.checkpoints import save_checkpoint
from draem_core.devices import describe_machine
from draem_core.models import Draem
from draem_core.training.config import ConfigError, TrainConfig
from draem_core.types import Card

# What may differ between a run and its resumption
_MAY_CHANGE = {"out", "keep", "device", "precision", "data", "anomaly_sources", "start_from"}


@dataclass(frozen=True)
class RunFolder:
    """``runs/NAME``: ``config.json``, ``metrics.csv``, ``checkpoints/epoch_0001.safetensors`` …, ``state.pt``."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        """Folder of the per-epoch checkpoints."""
        return self.path / "checkpoints"

    @property
    def state_file(self) -> Path:
        """Everything that a resumed run needs, of the last finished epoch."""
        return self.path / "state.pt"

    def start(self, config: TrainConfig) -> dict[str, Any] | None:
        """Create the folder, or return the state to go on from where it holds a run of the same config.

        Raises:
            ConfigError: the folder holds a run of another config.
        """
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        wanted = config.model_dump(mode="json")
        config_file = self.path / "config.json"
        if config_file.is_file():
            found = json.loads(config_file.read_text(encoding="utf-8"))["config"]
            changed = sorted(name for name in wanted if name not in _MAY_CHANGE and wanted[name] != found.get(name))
            if changed:
                raise ConfigError(
                    f"{self.path} holds a run with another {', '.join(changed)}. "
                    "Name another --out folder, or delete this one to start anew."
                )
        else:
            described = {"config": wanted, "environment": environment()}
            write_atomically(config_file, json.dumps(described, indent=2).encode())
        if not self.state_file.is_file():
            return None
        return torch.load(self.state_file, map_location="cpu", weights_only=True)

    def save_epoch(self, model: Draem, card: Card, state: dict[str, Any], config: TrainConfig) -> Path:
        """Write checkpoint, metrics and state of a finished epoch, then drop checkpoints beyond ``keep``."""
        epoch = int(state["epoch"])
        checkpoint = self.checkpoints / f"epoch_{epoch:04d}.safetensors"
        save_checkpoint(checkpoint, model, card, dtype=getattr(torch, config.checkpoint_dtype))
        table = pd.DataFrame(state["history"]).to_csv(index=False)
        write_atomically(self.path / "metrics.csv", table.encode())
        write_atomically(self.state_file, lambda file: torch.save(state, file))
        if config.keep:
            for old in sorted(self.checkpoints.glob("epoch_*.safetensors"))[: -config.keep]:
                old.unlink()
        return checkpoint


def environment() -> dict[str, str]:
    """Return what the figures of a run depend on: machine, processor, versions."""
    return {
        "machine": describe_machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
    }
