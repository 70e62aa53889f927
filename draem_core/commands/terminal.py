"""What commands print with: one console, one kind of progress bar.

Every text goes through `plain_text` on its way: names of files and folders, and what stands in files, are shown as
they are and never taken for markup, control sequences or emoji codes.
"""

import sys
import traceback
import unicodedata

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from draem_core.checkpoints.assumptions import assumptions_of
from draem_core.types import Card

console = Console()

_JOINERS = "\u200c\u200d"  # Persian, Indic scripts and emoji need them
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def progress_bar(disable: bool = False) -> Progress:
    """Return a bar with the time that is gone and that is left, on the console."""
    description = TextColumn("{task.description}", markup=False)
    return Progress(
        description, BarColumn(), TimeElapsedColumn(), TimeRemainingColumn(), console=console, disable=disable
    )


def plain_text(text: object) -> str:
    r"""Return text in which a terminal sees no command: control and direction signs are spelt, as ``\x1b``."""
    return "".join(_spelt(sign) if _is_hidden(sign) else sign for sign in str(text))


def _is_hidden(sign: str) -> bool:
    return unicodedata.category(sign) in _HIDDEN and sign not in _JOINERS


def _spelt(sign: str) -> str:
    return sign.encode("ascii", "backslashreplace").decode() if ord(sign) > 0x7F else repr(sign)[1:-1]


def cell(text: object) -> Text:
    """Return text as a table's cell takes it: no markup."""
    return Text(plain_text(text))


def say(text: object) -> None:
    """Print a line to the console, unwrapped."""
    console.print(cell(text), soft_wrap=True)


def note(text: object) -> None:
    """Print a line to the console that begins with "Note:", unwrapped."""
    console.print(Text.assemble(("Note:", "yellow"), " ", plain_text(text)), soft_wrap=True)


def note_assumptions(card: Card) -> None:
    """Print a note for each thing that is assumed about a checkpoint."""
    for sentence in assumptions_of(card):
        note(sentence)


def complain(text: object) -> None:
    """Print a line to stderr."""
    print(plain_text(text), file=sys.stderr)


def complain_with_traceback() -> None:
    """Print the exception that is being handled to stderr, for those who mend the program."""
    for line in traceback.format_exc().splitlines():
        complain(line)
