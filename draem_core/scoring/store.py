"""A folder of scored pictures that survives a kill at any moment: maps, and a log of what they belong to.

Maps are appended to ``maps.partial.npy`` and become ``maps.npy`` when all are there. A record of the log counts
if the row that it names has its checksum, in either file: so no order of writes has to be kept, no row is trusted that
was cut short, and a reader's memory map of ``maps.npy`` never changes under it. Must not know networks or metrics.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from draem_core.atomic import write_atomically
from draem_core.disk import Stamp
from draem_core.errors import ScoringError
from draem_core.scoring.map_file import MapFile, checksum, write_maps
from draem_core.scoring.score_log import Record, ScoreLog

LOG, MAPS, PARTIAL, LOCK = "records.jsonl", "maps.npy", "maps.partial.npy", ".lock"
TABLE, CSV, METRICS, COMPLETE = "scores.parquet", "scores.csv", "metrics.json", "complete.json"
RESULTS = (COMPLETE, METRICS, CSV, TABLE, MAPS)
"""What a complete folder holds besides its log."""


class ScoreStore:
    """What ``folder`` holds of one network's results; used by one writer at a time, see `exclusive`.

    replaces_another: the folder held another network's results, and they were removed.
    maps: those of ``maps.npy``, read one at a time.
    """

    def __init__(self, folder: Path, key: str, shape: tuple[int, int]) -> None:
        """Find the records whose maps are there, which reads every map. Maps are (H, W) = ``shape``. Raises OSError."""
        self._log = ScoreLog(folder / LOG, key)
        self.maps = self._final = MapFile(folder / MAPS, shape)
        self._partial = MapFile(folder / PARTIAL, shape)
        self._found: dict[str, tuple[Record, MapFile]] = {}
        records = self._log.read()
        self.replaces_another = records is None and self._log.path.exists()
        if records is None:
            for name in (*RESULTS, PARTIAL) if self.replaces_another else (PARTIAL,):
                (folder / name).unlink(missing_ok=True)
            self._log.start()
        for record in reversed(records or []):
            if record.name not in self._found and (file := self._holder(record)) is not None:
                self._found[record.name] = record, file

    def __getitem__(self, name: str) -> Record:
        return self._found[name][0]

    def get(self, name: str) -> Record | None:
        """Return what is known of a picture."""
        return self[name] if name in self._found else None

    def add(self, scored: Iterable[tuple[Record, np.ndarray | None]]) -> None:
        """Put pictures' maps (H, W) float32 into the folder and note them; None for those with a problem instead.

        The records' ``row`` and ``checksum`` are set here. Raises OSError; what was added before stays.
        """
        row = self._next_row()
        placed = []
        for record, anomaly_map in scored:
            if anomaly_map is None:
                placed.append(record)
                continue
            self._partial.write(row, anomaly_map)
            placed.append(replace(record, row=row, checksum=checksum(anomaly_map)))
            row += 1
        self._log.append(placed)
        self._found |= {record.name: (record, self._partial) for record in placed}

    def restamp(self, name: str, stamp: Stamp) -> None:
        """Note that the picture's file has a new stamp and the same content. Raises OSError."""
        record, file = self._found[name]
        record = replace(record, stamp=stamp)
        self._log.append([record])
        self._found[name] = record, file

    def is_installed(self, names: Sequence[str]) -> bool:
        """``maps.npy`` holds the maps of ``names``, in this order and no others."""
        return self._final.rows == len(names) and self._are_in_order(names, self._final)

    def install(self, names: Sequence[str]) -> None:
        """Make ``maps.npy`` hold the maps of ``names``, all known and at least one, in this order. Raises OSError."""
        if self._are_in_order(names, self._partial):
            self._partial.seal(len(names))
            self._partial.path.replace(self._final.path)
        else:
            # Noted before the rows move: until then these records' checksums fail, and the older ones count.
            self._log.append([replace(self[name], row=row) for row, name in enumerate(names)])
            maps = (file[record.row] for record, file in (self._found[name] for name in names))
            shape = self._final.shape
            write_atomically(self._final.path, lambda file: write_maps(file, len(names), shape, maps))
        broken = {name: entry for name, entry in self._found.items() if entry[0].problem}
        moved = {name: (replace(self[name], row=row), self._final) for row, name in enumerate(names)}
        self._found = broken | moved

    def remove_partial(self) -> None:
        """Remove the maps that were waiting to be installed. Raises OSError."""
        self._partial.path.unlink(missing_ok=True)

    def _are_in_order(self, names: Sequence[str], file: MapFile) -> bool:
        found = (self._found[name] for name in names)
        return all(holder is file and record.row == row for row, (record, holder) in enumerate(found))

    def _holder(self, record: Record) -> MapFile | None:
        """Return the file that holds the record's map (either, where it has none), or None where it is lost."""
        for file in (self._partial, self._final):
            try:
                if record.problem or checksum(file[record.row]) == record.checksum:
                    return file
            except (FileNotFoundError, IndexError):
                continue
        return None

    def _next_row(self) -> int:
        rows = (record.row for record, file in self._found.values() if file is self._partial and not record.problem)
        return 1 + max(rows, default=-1)


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Keep other writers out of ``folder``; the system lifts the lock when a process ends, however it ends.

    Raises:
        ScoringError: another one writes there now.
        OSError: the folder cannot be written.
    """
    with (folder / LOCK).open("ab") as file:
        if sys.platform != "win32":
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ScoringError(
                    f"Somebody else is scoring into {folder} now. Wait until that is done, or take another folder."
                ) from error
        yield
