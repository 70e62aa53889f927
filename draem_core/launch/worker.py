"""The process that ``launcher`` starts: waits for its turn, runs the train command, writes down how it ended.

``python -m draem_core.launch.worker TICKET RUN_FOLDER NICENESS``. Started by nothing else.
"""

import json
import os
import sys
from pathlib import Path

from draem_core.atomic import write_atomically
from draem_core.launch.queue import JobQueue


def main(ticket: Path, run: Path, niceness: int) -> int:
    """Wait, train, and return the exit status, which ``ended.json`` holds too."""
    JobQueue(ticket.parent).wait_for_turn(ticket)
    os.nice(niceness)
    status = _train(run)
    write_atomically(run / "ended.json", json.dumps({"status": status}).encode())
    return status or 0


def _train(run: Path) -> int | None:
    """Train and return the exit status, None if the training was stopped."""
    from draem_core.commands.command_line import main as command_line  # heavy, and of no use to a process that waits
    from draem_core.commands.terminal import complain_with_traceback
    from draem_core.commands.train import STOPPED

    sys.argv = ["draem_core", "train", "--config", str(run / "train.toml")]
    try:
        command_line()
    except SystemExit as end:
        if end.code == STOPPED:
            return None
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        complain_with_traceback()
        return 1
    return 0


if __name__ == "__main__":
    ended_with = main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(ended_with)  # taking torch down takes seconds, in which the next one could train
