"""Single values of annotation files: times, scores and names, or BadValue with a sentence that says what is wrong."""

import math
import re
import reprlib

from annotations.errors import BadValue

DURATION_TOLERANCE_S = 0.5  # durations in annotation files are rounded, or those of another encoding
EDGE_TOLERANCE = 0.01  # detectors and rounding pass the edge of the picture by this much at most
TIME_DIGITS = 6  # of seconds, to which key frames are compared

# Neither admits what float() takes beyond plain numbers: "1_000", digits of other scripts, "nan".
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_CLOCK = re.compile(r"(?:(\d+):)?(\d+):(\d{1,2}(?:\.\d*)?)", re.ASCII)
_NOT_FINITE = re.compile(r"[+-]?(?:nan|inf(?:inity)?)", re.IGNORECASE)
_SHORT = reprlib.Repr()  # JSON may be nested deeper than repr() can go
_NOT_TEXT = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")  # control characters and halves of characters


def shown(value: object) -> str:
    """A value as messages show it: quoted, without line breaks, never long."""
    text = repr(value) if isinstance(value, str) else _SHORT.repr(value)
    return text if len(text) <= 200 else f"{text[:100]}...{text[-97:]}"


def is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def number(value: object, what: str, *, clock: bool = False, decimal_comma: bool = False) -> float:
    """A finite number, or a text that holds one; `clock` admits h:mm:ss and m:ss too. Raises BadValue."""
    if isinstance(value, str):
        text = value.strip()
        plain = _NUMBER.fullmatch(text)  # what nearly every cell of a large file is
        result = float(text) if plain else _other_number(text, what, clock=clock, decimal_comma=decimal_comma)
    elif value is None:
        raise BadValue(f"{what} is missing")
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            result = float(value)
        except OverflowError:
            result = math.inf
    else:
        raise BadValue(f"{what} must be a number, got {shown(value)}")
    if not math.isfinite(result):
        raise BadValue(f"{what} must be a finite number, got {shown(value)}")
    return result


def _other_number(text: str, what: str, *, clock: bool, decimal_comma: bool) -> float:
    if not text:
        raise BadValue(f"{what} is missing")
    plain = text.replace(",", ".") if decimal_comma and "." not in text else text
    if _NUMBER.fullmatch(plain):
        return float(plain)
    if _NOT_FINITE.fullmatch(text):
        return math.nan
    if clock and (parts := _CLOCK.fullmatch(plain)):
        hours, minutes, seconds = (float(part or 0) for part in parts.groups())
        if seconds < 60 and (minutes < 60 or parts[1] is None):
            return hours * 3600 + minutes * 60 + seconds
    form = "a number of seconds or h:mm:ss" if clock else "a number"
    raise BadValue(f"{what} must be {form}, got {shown(text)}")


def frame_time(time_s: float) -> str:
    """The time of a key frame as AVA's evaluation compares it: 902, 0902 and 902.0 are 902.000000."""
    return f"{round(time_s, TIME_DIGITS) + 0.0:.{TIME_DIGITS}f}"  # without the sign of -0.0


def whole_number(value: str, what: str) -> int:
    """A number of a class or person, as texts hold it. Raises BadValue."""
    text = value.strip()
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise BadValue(f"{what} must be a whole number, got {shown(value)}")
    return int(text)


def span(
    start: object, stop: object, *, scored: bool, clock: bool = False, decimal_comma: bool = False
) -> tuple[float, float]:
    """Seconds with 0 <= start < stop; any two of a prediction, as the official evaluators take it. Raises BadValue."""
    start_s = number(start, "start", clock=clock, decimal_comma=decimal_comma)
    stop_s = number(stop, "end", clock=clock, decimal_comma=decimal_comma)
    if scored:
        return start_s, stop_s
    if start_s < 0:
        raise BadValue(f"start {start_s} lies before the video begins; times count from 0")
    if stop_s <= start_s:
        raise BadValue(f"end {stop_s} is not after start {start_s}; mend or remove this span")
    return start_s, stop_s


def duration(value: object, *, clock: bool = False, decimal_comma: bool = False) -> float | None:
    """Seconds above 0, or None where nothing is given. Raises BadValue."""
    if is_blank(value):
        return None
    duration_s = number(value, "duration", clock=clock, decimal_comma=decimal_comma)
    if duration_s <= 0:
        raise BadValue(f"duration must be above 0, got {shown(value)}")
    return duration_s


def label(value: object) -> str:
    """A class name; blanks around it mean nothing. Raises BadValue."""
    return _text(value, "label").strip()


def subset(value: object) -> str | None:
    return None if is_blank(value) else _text(value, "subset").strip()


def video_name(value: object) -> str:
    """A video's name as it is. Raises BadValue."""
    name = _text(value, "video")
    if name != name.strip():
        raise BadValue(f"video {shown(name)} has blanks around its name; remove them")
    return name


def _text(value: object, what: str) -> str:
    if value is None:
        raise BadValue(f"{what} is missing")
    if not isinstance(value, str):
        raise BadValue(f"{what} must be a text, got {shown(value)}")
    if not value.strip():
        raise BadValue(f"{what} is empty")
    if _NOT_TEXT.search(value):
        raise BadValue(f"{what} {shown(value)} holds a control character or a broken one; mend the name")
    return value
