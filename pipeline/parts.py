"""Which Parquet parts of a results folder count: those whose videos are committed. Knows file names, no columns.

A part of any table belongs to the part of `videos` of the same name, which is written last. Most hold one video;
a compact one (pipeline.compact) holds many and takes the place of theirs, which it lists.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import InputError

_COMPACT = re.compile(r"compact-[0-9a-f]{16}")  # a video's own part ends in twelve
_HELD = b"parts"


def is_results_folder(folder: Path) -> bool:
    return (folder / "segments").is_dir() or any((folder / "videos").glob("*.parquet"))


def finished_parts(folder: Path) -> list[Path]:
    """The same as `committed_parts` for a folder that is to be read. Raises InputError where it holds no tables."""
    if not is_results_folder(folder):
        raise InputError(f"{folder}: is no results folder: it needs videos/*.parquet; give a run's --out")
    return committed_parts(folder)


def committed_parts(folder: Path) -> list[Path]:
    """The parts of `videos`, by name."""
    parts = sorted((folder / "videos").glob("*.parquet"))
    replaced = {name for part in parts if is_compact(part.stem) for name in _replaced(part)}
    return [part for part in parts if part.stem not in replaced]


def parts_of(folder: Path, table: str, commits: Sequence[Path]) -> list[Path]:
    """The parts of a table whose videos are committed; a run that did not fill it wrote none."""
    names = {part.name for part in (folder / table).glob("*.parquet")}
    return [folder / table / commit.name for commit in commits if commit.name in names]


def states(parts: Sequence[Path]) -> list[tuple[int, int] | None]:
    """What changes with a file, None where it is gone: videos whose parts kept their states were not written anew."""
    return [_state(part) for part in parts]


def _state(part: Path) -> tuple[int, int] | None:
    try:
        about = part.stat()
    except FileNotFoundError:
        return None
    return about.st_ino, about.st_mtime_ns


def is_compact(name: str) -> bool:
    return _COMPACT.fullmatch(name) is not None


def held_parts(part: Path) -> dict[str, str]:
    """Of a compact part: the parts that it stands for, in the order of its videos, and the result key of each."""
    held: dict[str, str] = json.loads(pq.read_schema(part).metadata[_HELD])
    return held


def holding(result_keys: dict[str, str]) -> dict[str, str]:
    """Metadata of a compact part that stands for these."""
    return {_HELD.decode(): json.dumps(result_keys)}


def _replaced(part: Path) -> list[str]:
    try:
        return list(held_parts(part))
    except (OSError, KeyError, TypeError, ValueError, pa.ArrowException):
        return []  # damaged: whoever reads its rows says so
