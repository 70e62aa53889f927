"""CSV cells that a spreadsheet shows and never runs.

Knows nothing of what stands in a table.
"""

import csv
from collections.abc import Iterable, Sequence
from typing import TextIO

import pandas as pd

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


def table_csv(table: pd.DataFrame, index: bool = False) -> bytes:
    """Return a table as a CSV file, UTF-8, that `CsvWriter`'s rule for text holds for; NaN and None are empty cells.

    Args:
        index: the rows' names are the first column, under the index's own name.
    """
    whole = table.reset_index() if index else table.copy(deep=False)
    for place in range(whole.shape[1]):
        column = whole.iloc[:, place]
        if not pd.api.types.is_numeric_dtype(column.dtype):
            whole.isetitem(place, [guarded(cell) if isinstance(cell, str) else cell for cell in column])
    whole.columns = pd.Index([guarded(str(name)) for name in whole.columns])
    text: str = whole.to_csv(index=False, lineterminator="\n")
    return text.encode()


def guarded(text: str) -> str:
    """Return text that no spreadsheet takes for a formula and that UTF-8 can hold."""
    plain = text.encode("utf-8", "backslashreplace").decode("utf-8")
    plain = plain.replace("\r", "\\r")  # csv leaves it unquoted, and a reader would begin a row there
    return f"'{plain}" if text.startswith(FORMULA_STARTS) else plain
