"""What commands print with: one console, one kind of progress bar.

Every text goes through `plain_text` on its way: names of files and folders, and what stands in files, are shown as
they are and never taken for markup, control sequences or emoji codes.
"""

import sys
import traceback

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from draem_core.checkpoints.assumptions import assumptions_of
from draem_core.plain_text import plain_text
from draem_core.types import Card

console = Console()


def progress_bar(disable: bool = False) -> Progress:
    """Return a bar with the time that is gone and that is left, on the console."""
    description = TextColumn("{task.description}", markup=False)
    return Progress(
        description, BarColumn(), TimeElapsedColumn(), TimeRemainingColumn(), console=console, disable=disable
    )


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
