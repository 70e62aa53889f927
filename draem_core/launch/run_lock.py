"""One writer in a run folder at a time: a lock that goes with its process however that ends. Knows no training.

The file ``lock`` stays behind, unlocked; it says who wrote last. On Windows, which has no flock, nobody guards.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from draem_core.runs.csv_log import RunFolderError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_PATIENCE = 1.0  # s; whoever asks ``lock_owner`` holds the lock for an instant, too


@contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Keep all others from writing to ``folder``, which is created where it is missing, while the block lasts.

    Raises:
        RunFolderError: another process, or this one, is in such a block already; the message names it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+", encoding="utf-8") as file:
        if not _locked(file):
            raise RunFolderError(
                f"{folder} is being written to by {_named(file)}. Wait until that has ended, stop it, "
                "or name another --out folder."
            )
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def lock_owner(folder: Path) -> str | None:
    """Return a name, "process 1234", for who is writing to ``folder`` now; None where nobody is."""
    if fcntl is None:
        return None
    try:
        with (folder / "lock").open(encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _named(file)
    except OSError:  # nobody ever wrote, or this file system has no locks
        pass
    return None


def _locked(file: TextIO) -> bool:
    if fcntl is None:
        return True
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        except OSError:  # a file system without locks: better unguarded than not at all
            return True
        else:
            return True


def _named(file: TextIO) -> str:
    file.seek(0)
    number = file.read().strip()
    return f"process {number}" if number else "another process"
