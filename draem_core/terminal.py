"""What commands print with: one console, one kind of progress bar."""

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

console = Console()


def progress_bar(disable: bool = False) -> Progress:
    """Return a bar with the time that is gone and that is left, on the console."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=disable)
