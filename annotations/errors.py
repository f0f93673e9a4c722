"""What a user sees of a file that cannot be used: all its problems at once, each with its place."""

from pathlib import Path

MOST_LINES = 20


class AnnotationError(ValueError):
    """Annotations or predictions that cannot be used; each line of the message is one problem and its place."""


class BadValue(ValueError):  # noqa: N818 - it names what was found
    """One value of a file that cannot be used; the reader adds the place."""


class WrongKind(BadValue):
    """A row that shows the whole file to be of another kind, whose other rows need no line each."""


class Problems:
    """What is wrong with one file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: list[str] = []
        self._count = 0

    def __bool__(self) -> bool:
        return self._count > 0

    def add(self, place: str, what: str) -> None:
        """`place` is "" where the file as a whole is meant."""
        self.include(f"{self.path}: {place}: {what}" if place else f"{self.path}: {what}")

    def include(self, line: str) -> None:
        """A problem that names its file already."""
        self._count += 1
        if self._count <= MOST_LINES:
            self._lines.append(line)

    def raise_if_any(self) -> None:
        left_out = self._count - len(self._lines)
        more = [f"{self.path}: and {left_out} more"] if left_out else []
        if self._lines:
            raise AnnotationError("\n".join(self._lines + more))
