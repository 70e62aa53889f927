"""Who trains on a device, and who waits in the queue for it, in a queue: tickets on disk that outlive the app.

A ticket is a small file that its process keeps locked (flock) for as long as it lives. The lock, not a number, says
that it is alive: it goes with the process however that ends, and a recycled pid never holds it. Knows no network.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from draem_core.errors import DraemError
from draem_core.plain_text import plain_text

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_WRITTEN_WITHIN = 30.0  # s that a process waits for the ticket that its parent writes


class JobQueueError(DraemError):
    """A place in the queue cannot be had; the message says why and what to do."""


@dataclass(frozen=True)
class Ticket:
    """A living process's place: who comes first has the lower ``number`` and trains before the others on ``device``."""

    number: int
    run: str
    device: str
    pid: int


@dataclass(frozen=True)
class JobQueue:
    """The tickets of all devices, in one folder."""

    folder: Path

    def tickets(self) -> list[Ticket]:
        """Return the tickets of living processes, in order; those that dead ones left are removed."""
        if not self.folder.is_dir():
            return []
        living = []
        for path in sorted(self.folder.glob("*.json")):
            if not _is_held(path):
                path.unlink(missing_ok=True)
            elif (ticket := _read(path)) is not None:
                living.append(ticket)
        return living

    def ahead_of(self, ticket: Ticket) -> list[Ticket]:
        """Return the living tickets that have to end before ``ticket`` may train."""
        return [one for one in self.tickets() if one.device == ticket.device and one.number < ticket.number]

    @contextmanager
    def enqueue(self, run: str, device: str) -> Iterator["Reservation"]:
        """Take the next number for a process that the caller starts meanwhile, see ``Reservation``.

        Raises:
            JobQueueError: the run has a living process already, or this system has no flock.
        """
        if fcntl is None:
            raise JobQueueError("On this system trainings are started by hand: python -m draem_core train --help.")
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for unfinished in self.folder.glob("*.new"):  # of an app that was killed just here
                unfinished.unlink()
            tickets = self.tickets()
            if any(one.run == run for one in tickets):
                raise JobQueueError(f"{run} is being trained or waits already. Stop it first, or watch it.")
            number = max([time.time_ns(), *(one.number + 1 for one in tickets)])
            unnamed = self.folder / f"{number}.new"
            try:
                with unnamed.open("w") as file:
                    fcntl.flock(file, fcntl.LOCK_EX)
                    reservation = Reservation(self.folder / f"{number}.json", file.fileno(), number, run, device)
                    yield reservation
            finally:
                unnamed.unlink(missing_ok=True)

    def wait_for_turn(self, path: Path) -> None:
        """Return once no living ticket of the same device comes before the one at ``path``, without spending time."""
        deadline = time.monotonic() + _WRITTEN_WITHIN
        while (own := _read(path)) is None:
            if time.monotonic() > deadline:
                raise JobQueueError(f"{path} was never written: the app that began this was killed. Start it again.")
            time.sleep(0.05)
        while ahead := self.ahead_of(own):
            print(plain_text(f"Waiting in line for {own.device}, behind {ahead[-1].run}."), flush=True)
            try:
                with self._path(ahead[-1]).open() as file:
                    fcntl.flock(file, fcntl.LOCK_SH)  # the kernel wakes us when its holder ends
            except FileNotFoundError:
                continue

    def _path(self, ticket: Ticket) -> Path:
        return self.folder / f"{ticket.number}.json"


@dataclass(frozen=True)
class Reservation:
    """A number in the queue: start a process that inherits ``handle`` and the lock, then ``commit`` its pid."""

    path: Path
    handle: int
    number: int
    run: str
    device: str

    def commit(self, pid: int) -> Ticket:
        """Put the ticket into the queue."""
        ticket = Ticket(self.number, self.run, self.device, pid)
        os.pwrite(self.handle, json.dumps(asdict(ticket)).encode(), 0)
        self.path.with_suffix(".new").replace(self.path)
        return ticket


def _is_held(path: Path) -> bool:
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _read(path: Path) -> Ticket | None:
    try:
        return Ticket(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
