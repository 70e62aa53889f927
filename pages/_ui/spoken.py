"""Numbers and times as people say them."""


def shortened(text: str, length: int = 80) -> str:
    """Return at most ``length`` characters of a text, its end as … where there is more."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def counted(number: int, what: str) -> str:
    """Return "1 step", "1,200 steps"."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def spoken_time(seconds: float) -> str:
    """Say a time as people do: about 40 s, 12 min, 3 h 5 min, 2 days 4 h."""
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min"
    days, hours = divmod(hours, 24)
    return f"{days} {'day' if days == 1 else 'days'} {hours} h"
