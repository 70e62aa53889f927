"""CSV cells that a spreadsheet shows and never runs.

Knows nothing of what stands in a table.
"""

import csv
from collections.abc import Iterable, Sequence
from typing import TextIO

Cell = str | int | float | None

FORMULA_STARTS = tuple("=+-@＝＋－＠\t\r\n")


class CsvWriter:
    """Write a table row by row to a text file that was opened with ``newline=""``.

    Text that a spreadsheet would take for a formula gets an apostrophe in front; numbers stay numbers, in full
    (``float(cell)`` gives the same value back); None is an empty cell. Text that is no UTF-8 is escaped.
    """

    def __init__(self, file: TextIO, columns: Sequence[str]) -> None:
        self._writer = csv.writer(file, lineterminator="\n")
        self.write(columns)

    def write(self, row: Iterable[Cell]) -> None:
        """Add one row."""
        self._writer.writerow([guarded(cell) if isinstance(cell, str) else cell for cell in row])


def guarded(text: str) -> str:
    """Return text that no spreadsheet takes for a formula and that UTF-8 can hold."""
    plain = text.encode("utf-8", "backslashreplace").decode("utf-8")
    plain = plain.replace("\r", "\\r")  # csv leaves it unquoted, and a reader would begin a row there
    return f"'{plain}" if text.startswith(FORMULA_STARTS) else plain
