"""The log of scored pictures: one JSON line each, appended and never changed, read again after a kill.

Knows what is noted of a picture; must not know maps or where they lie.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from draem_core.atomic import write_atomically
from draem_core.disk import Stamp


@dataclass(frozen=True)
class Record:
    """What came of one picture.

    digest: of the file's bytes. row, checksum: where its map was put, and the CRC-32 that tells whether it is there.
    problem: a sentence where there is no map; score, row and checksum are 0 then. is_unread: the problem is one of
    reading, whose limits may be other ones next time.
    seconds: its share of the time that its batch took. highest: as `Loaded` has it.
    """

    name: str
    stamp: Stamp
    digest: str
    seconds: float = 0.0
    score: float = 0.0
    row: int = 0
    checksum: int = 0
    problem: str = ""
    is_unread: bool = False
    highest: int | None = None


@dataclass(frozen=True)
class ScoreLog:
    """The lines at ``path``: one that names the network's key, then one for each record."""

    path: Path
    key: str

    def read(self) -> list[Record] | None:
        """Return the records, oldest first, or None where there is no log or it is of another network.

        A line that is no record, such as the last one of a killed writer, is left out. Raises OSError.
        """
        try:
            first, *lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return None
        if first != self._first_line():
            return None
        records = (_record(line) for line in lines if line)
        return [record for record in records if record is not None]

    def start(self) -> None:
        """Begin anew, without any record. Raises OSError."""
        write_atomically(self.path, self._first_line() + b"\n")

    def append(self, records: Iterable[Record]) -> None:
        """Add records at the end, in one write. Raises OSError."""
        lines = b"\n".join(json.dumps(asdict(record)).encode() for record in records)
        with self.path.open("ab") as file:
            file.write(b"\n" + lines + b"\n")  # the first break ends a line that a killed writer left torn

    def _first_line(self) -> bytes:
        return json.dumps({"network": self.key}).encode()


def _record(line: bytes) -> Record | None:
    try:
        fields = json.loads(line)
        return Record(**{**fields, "stamp": Stamp(**fields["stamp"])})
    except (ValueError, TypeError, KeyError):
        return None
