"""Times as people say them: the one place, for commands and pages."""


def spoken_time(seconds: float) -> str:
    """Say a time in seconds as people do: about 40 s, 12 min, 3 h 5 min, 1 day 1 h."""
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min"
    days, hours = divmod(round(seconds / 3600), 24)
    return f"{days} {'day' if days == 1 else 'days'} {hours} h"
