"""A CSV file that grows row by row while a run goes on, and forgets an unfinished epoch when the run is resumed."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from draem_core.atomic import write_atomically
from draem_core.errors import DraemError
from draem_core.report.cells import guarded

Cell = str | int | float | None


class RunFolderError(DraemError):
    """A run folder cannot be used; the message says why and what to do."""


class CsvLog:
    """Rows whose first column is the epoch. Rows are whole lines; only a kill can leave half of the last one."""

    def __init__(self, path: Path, columns: Sequence[str], finished_epochs: int, steps: int = 0) -> None:
        """Open ``path``, created where it is missing, and drop what lies after ``finished_epochs``.

        steps: how many of the next epoch's rows are kept, of a file with a row a step.

        Raises:
            OSError: the file cannot be written.
        """
        self.path = path
        kept = [_line(columns)]
        if path.is_file():
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)[1:]
            rows = [(int(line.split(",", 1)[0]), line) for line in lines if line.endswith("\n")]
            kept += [line for epoch, line in rows if epoch <= finished_epochs]
            kept += [line for epoch, line in rows if epoch == finished_epochs + 1][:steps]
        write_atomically(path, "".join(kept).encode())

    def append(self, rows: Iterable[Sequence[Cell]]) -> None:
        """Add rows at the end.

        Raises:
            RunFolderError: the file was taken away meanwhile; a new one would lack what came before.
            OSError: no space.
        """
        try:
            with self.path.open("r+", encoding="utf-8", newline="") as file:
                file.seek(0, io.SEEK_END)
                file.write("".join(_line(row) for row in rows))
        except FileNotFoundError as error:
            raise gone(self.path, "the run cannot be written down") from error


def gone(path: Path, consequence: str) -> RunFolderError:
    """Return the error for a file or folder of a run that has vanished while it was going on."""
    return RunFolderError(
        f"{path} is gone, so {consequence}. "
        "Bring the folder back and give the same command again; it goes on from the last saved epoch."
    )


def read_csv_log(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Return the whole rows of a log that may be growing; an empty table where there is none."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    whole = text[: text.rfind("\n") + 1]
    return pd.read_csv(io.StringIO(whole)) if whole else pd.DataFrame(columns=list(columns))


def _line(cells: Sequence[Cell]) -> str:
    text = io.StringIO()
    shown = [f"{one:.7g}" if isinstance(one, float) else guarded(one) if isinstance(one, str) else one for one in cells]
    csv.writer(text, lineterminator="\n").writerow(shown)
    return text.getvalue()
