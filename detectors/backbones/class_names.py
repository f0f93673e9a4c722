"""The classes that published weights were trained on, in their order."""

from pathlib import Path


def ava() -> tuple[str, ...]:
    """The 80 actions of AVA; the one at index i is AVA's class i + 1."""
    return _lines("ava80.txt")


def kinetics400() -> tuple[str, ...]:
    """The 400 actions of Kinetics; a file of ours, since importing torchvision takes seconds."""
    return _lines("kinetics400.txt")


def _lines(name: str) -> tuple[str, ...]:
    return tuple(Path(__file__).with_name(name).read_text(encoding="utf-8").splitlines())
