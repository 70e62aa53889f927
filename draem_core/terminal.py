"""What commands print with: one console, one kind of progress bar, times in words."""

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

console = Console()


def progress_bar(disable: bool = False) -> Progress:
    """Return a bar with the time that is gone and that is left, on the console."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=disable)


def duration(seconds: float) -> str:
    """Return "2 min 05 s", or "1 h 02 min"."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {seconds:02d} s"
