"""Seconds as people read them."""


def clock(seconds: float, *, tenths: bool = False) -> str:
    """1:02:03 or 2:03, rounded; with tenths 2:03.4."""
    whole, tenth = divmod(round(seconds * 10), 10) if tenths else (round(seconds), 0)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
    return f"{text}.{tenth}" if tenths else text
