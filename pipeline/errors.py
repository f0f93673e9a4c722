"""Errors a user sees: a class to count by and one sentence that says what is wrong."""

Refusal = tuple[str, str]  # why something cannot be used: a class, and one sentence


class VideoError(Exception):
    """A video that cannot be used; `error_class` is what tables show, the message is one sentence."""

    def __init__(self, error_class: str, message: str) -> None:
        super().__init__(message)
        self.error_class = error_class

    def __reduce__(self) -> tuple[type["VideoError"], tuple[str, str]]:
        return VideoError, (self.error_class, str(self))


class InputError(ValueError):
    """An input that names nothing; the message is one line for the user."""


class StopRun(Exception):  # noqa: N818 - it names what happens
    """The run cannot go on; what is committed stays valid. The message is one line for the user."""


def describe(error: BaseException) -> Refusal:
    """Class and one-line message of any error."""
    if isinstance(error, VideoError):
        return error.error_class, str(error)
    message = " ".join(str(error).split()) or "no message"
    return type(error).__name__, message
