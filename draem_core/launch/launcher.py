"""Trainings as processes of their own, which outlive the app that started them: start, stop, resume, how each stands.

All that is known lies on disk (the run folder, the queue), so any app that looks finds the same. Knows no page.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from draem_core.atomic import write_atomically
from draem_core.disk import is_reserved
from draem_core.errors import DraemError
from draem_core.inference.devices import devices
from draem_core.launch.queue import JobQueue, Ticket
from draem_core.launch.run_lock import lock_owner
from draem_core.runs.progress import read_history
from draem_core.runs.run_folder import RunFolder
from draem_core.training.config import ConfigError, TrainConfig, make_config, recorded_config
from draem_core.training.schedule import patience_is_spent

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PROJECT = Path(__file__).resolve().parents[2]
_COMMAND = (sys.executable, "-m", "draem_core.launch.worker")
_GRACE = 60.0  # s between asking a process to stop, which ends its step first, and killing it


class LaunchError(DraemError):
    """A training cannot be started or resumed; the message says why and what to do."""


class RunState(StrEnum):
    """Where a run is in its life."""

    WAITING = "waiting"
    TRAINING = "training"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"
    ELSEWHERE = "elsewhere"  # written to by a process that was not started here


@dataclass(frozen=True)
class RunStatus:
    """How a run stands. ``message`` is a sentence, empty while all goes well; ``ahead`` are the runs before it."""

    state: RunState
    message: str = ""
    ahead: tuple[str, ...] = ()

    @property
    def is_active(self) -> bool:
        """It trains or waits, started here or elsewhere."""
        return self.state in (RunState.WAITING, RunState.TRAINING, RunState.ELSEWHERE)


@dataclass(frozen=True)
class Launcher:
    """The trainings below one folder of runs: ``runs/NAME/`` has ``train.toml``, ``train.log`` and ``ended.json``
    besides what the trainer writes. ``niceness`` above 0 leaves the processor to the app whenever that needs it.
    """

    runs: Path
    niceness: int = 5

    @property
    def queue(self) -> JobQueue:
        """Who trains and who waits."""
        return JobQueue(self.runs / ".queue")

    def names(self) -> list[str]:
        """Return the runs that there are, the newest first."""
        if not self.runs.is_dir():
            return []
        described = [file for file in map(_described_by, self.runs.iterdir()) if file is not None]
        return [file.parent.name for file in sorted(described, key=lambda file: file.stat().st_mtime, reverse=True)]

    def config(self, name: str) -> TrainConfig:
        """Return what a run was asked to do; raises LaunchError where its folder does not tell."""
        folder = self._folder(name)
        described = _described_by(folder)
        if described is None:
            raise LaunchError(f"{folder} holds no training (no config.json). Choose another run.")
        try:
            if described.suffix == ".toml":
                return make_config({"out": folder}, described)
            return recorded_config(json.loads(described.read_text(encoding="utf-8"))["config"] | {"out": folder})
        except (OSError, ValueError, KeyError, TypeError, ConfigError) as error:
            raise LaunchError(f"{described} is no training configuration ({error}). Choose another run.") from error

    def start(self, config: TrainConfig) -> Ticket:
        """Start a new run in ``config.out``, at once or when its device is free.

        Raises:
            LaunchError: the name is not usable, or a run of that name exists.
        """
        name = config.out.name
        folder = self._folder(name)
        if folder != config.out.absolute():
            raise LaunchError(f"{config.out} is not in {self.runs}. Give the run a plain name.")
        self.runs.mkdir(parents=True, exist_ok=True)
        try:
            folder.mkdir()
        except FileExistsError as error:
            raise LaunchError(f"{name} exists already. Resume it, or take another name.") from error
        try:
            return self._launch(config)
        except BaseException:
            _remove_unless_trained(folder)
            raise

    def resume(self, name: str) -> Ticket:
        """Go on with a run after the step that it was stopped at, or its last finished epoch if it was killed.

        Raises:
            LaunchError: the folder holds no training, or another process seems to write to it.
            JobQueueError: it is being trained.
        """
        config = self.config(name)
        if self.status(name).state is RunState.ELSEWHERE:
            raise LaunchError(
                f"{name} is being trained by a process that was not started here. Wait until it has ended."
            )
        return self._launch(config)

    def stop(self, name: str, grace: float = _GRACE) -> None:
        """End a run's process after its present step, or take it out of the queue. Returns when it has ended."""
        ticket = self._ticket(name)
        if ticket is None:
            return
        for asked in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.kill(ticket.pid, asked)
            if self._has_ended(name, grace):
                break
        ended = self._folder(name) / "ended.json"
        if not ended.exists():
            write_atomically(ended, json.dumps({"status": None}).encode())

    def withdraw(self, name: str) -> None:
        """Take a waiting run out of the queue, with its folder if nothing was trained yet."""
        self.stop(name)
        _remove_unless_trained(self._folder(name))

    def status(self, name: str) -> RunStatus:
        """Tell how a run stands; raises LaunchError where its folder does not tell what it is."""
        ticket = self._ticket(name)
        if ticket is not None:
            ahead = tuple(one.run for one in self.queue.ahead_of(ticket))
            return RunStatus(RunState.WAITING if ahead else RunState.TRAINING, ahead=ahead)
        folder, config = self._folder(name), self.config(name)
        if (writer := lock_owner(folder)) is not None:
            return RunStatus(RunState.ELSEWHERE, f"It is being trained by {writer}, which was not started here.")
        history = read_history(folder)
        if len(history) >= config.epochs or patience_is_spent(config, history):
            return RunStatus(RunState.FINISHED)
        ended = _ending(folder / "ended.json")
        if ended is None:
            return self._without_word(folder)
        if ended["status"] is None:
            return RunStatus(RunState.STOPPED, "It was stopped here. What is finished is kept; it goes on from there.")
        return RunStatus(RunState.FAILED, _last_words(folder))

    def log(self, name: str, lines: int = 200) -> str:
        """Return the end of what the process printed, empty where there is none."""
        return "\n".join(_log_lines(self._folder(name))[-lines:])

    def _folder(self, name: str) -> Path:
        check_name(name)
        return self.runs.absolute() / name

    def _ticket(self, name: str) -> Ticket | None:
        return next((one for one in self.queue.tickets() if one.run == name), None)

    def _launch(self, config: TrainConfig) -> Ticket:
        folder = config.out.absolute()
        with self.queue.enqueue(folder.name, device_of(config)) as reservation:
            write_atomically(folder / "train.toml", as_toml(config).encode())
            (folder / "ended.json").unlink(missing_ok=True)
            with (folder / "train.log").open("a", encoding="utf-8") as log:
                log.write(f"— {time.strftime('%Y-%m-%d %H:%M:%S')} —\n")
                log.flush()
                process = subprocess.Popen(
                    [*_COMMAND, str(reservation.path.absolute()), str(folder), str(self.niceness)],
                    cwd=_PROJECT,
                    env={**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "160"},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    pass_fds=(reservation.handle,),  # the lock lives as long as the process does
                    start_new_session=True,  # a Ctrl-C for the app is none for the training
                )
            threading.Thread(target=process.wait, daemon=True).start()  # leaves no zombie
            return reservation.commit(process.pid)

    def _has_ended(self, name: str, patience: float) -> bool:
        deadline = time.monotonic() + patience
        while self._ticket(name) is not None:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def _without_word(self, folder: Path) -> RunStatus:
        """Tell how a run stands that has no process started here and left no word of its end."""
        if RunFolder(folder).stop_file.exists():
            return RunStatus(RunState.FAILED, RunFolder(folder).stop_file.read_text(encoding="utf-8").strip())
        message = "Its process is gone without a word: it was killed, memory ran out, or the machine was switched off."
        return RunStatus(RunState.STOPPED, f"{message} All finished epochs are kept.")


def check_name(name: str) -> None:
    """Raise LaunchError unless ``name`` can be a run's: one folder, the same on every system."""
    if not _NAME.fullmatch(name) or name.endswith("."):
        raise LaunchError(
            f"{name!r} is no name for a run. Take up to 64 letters, digits, hyphens, underscores and dots, "
            "with a letter or digit first."
        )
    if is_reserved(name):
        raise LaunchError(f"{name} is no name for a run: Windows keeps it for a device. Take another name.")


def device_of(config: TrainConfig) -> str:
    """Return the device that a run will take, by the name under which others wait for it."""
    return {"auto": devices()[0], "cuda": "cuda:0"}.get(config.device, config.device)


def as_toml(config: TrainConfig) -> str:
    """Write a config as the TOML that ``train --config`` reads."""
    values = {name: value for name, value in config.model_dump(mode="json").items() if value is not None}
    tables = {name: value for name, value in values.items() if isinstance(value, Mapping)}
    text = "".join(_toml_line(name, value) for name, value in values.items() if name not in tables)
    for table, content in tables.items():
        text += f"\n[{table}]\n" + "".join(_toml_line(name, value) for name, value in content.items())
    return text


def _toml_line(name: str, value: object) -> str:
    return f"{name} = {json.dumps(value, ensure_ascii=False)}\n"  # of these kinds of value, JSON's notation is TOML's


def _described_by(folder: Path) -> Path | None:
    """Return the file that tells what a run was asked: the trainer's, or before it has begun, ours."""
    if not _NAME.fullmatch(folder.name):
        return None
    return next((path for path in (folder / "config.json", folder / "train.toml") if path.is_file()), None)


def _remove_unless_trained(folder: Path) -> None:
    """Make a run's name free again where the trainer has not begun."""
    if (folder / "config.json").exists():
        return
    for own in ("train.toml", "train.log", "ended.json"):
        (folder / own).unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _ending(file: Path) -> dict[str, int | None] | None:
    try:
        ended = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return ended if isinstance(ended, dict) and "status" in ended else None


def _log_lines(folder: Path) -> list[str]:
    file = folder / "train.log"
    return file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else []


def _last_words(folder: Path) -> str:
    words = [line.strip() for line in _log_lines(folder) if line.strip()]
    return words[-1] if words else "It ended with an error and left no word of it."
