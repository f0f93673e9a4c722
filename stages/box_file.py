"""People found elsewhere, or annotated, from a file: their boxes on the key frames of each video."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from annotations.key_frames import SAME_S, are_on_key_frames, fitting_rate
from annotations.matching import match_videos
from annotations.person_boxes import PersonBoxFile, read_person_boxes
from detectors.persons.contract import FoundPeople
from pipeline.config import ConfigError

_ROUNDING_S = 1e-9


class BoxFile:
    """A file of boxes, or a folder of Parquet parts; a worker reads it once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def setup(self) -> None:
        """Raises AnnotationError."""
        self.boxes = boxes_in(self.path)
        self._rows: dict[str, slice] = {}

    def at(self, video: str, time_s: float) -> FoundPeople:
        """Who is there at an instant, best score first; nobody in a video that the file does not name."""
        rows = self._rows.get(video) or self._rows.setdefault(video, _rows_of(self.boxes, video))
        near = (time_s - SAME_S - _ROUNDING_S, time_s + SAME_S + _ROUNDING_S)
        first, stop = rows.start + np.searchsorted(self.boxes.times_N[rows], near)
        order = first + np.argsort(-self.boxes.scores_N[first:stop], kind="stable")
        return FoundPeople(self.boxes.boxes_N4[order].astype(np.float32), self.boxes.scores_N[order].astype(np.float32))

    def digest_of(self, video: str) -> str:
        """sha256 of the boxes of a video; needs no setup(). Raises AnnotationError."""
        boxes = boxes_in(self.path)
        return boxes.digest_of(_rows_of(boxes, video))


def _rows_of(boxes: PersonBoxFile, video: str) -> slice:
    name = next(iter(match_videos(boxes.videos, [video])), None)
    return slice(0, 0) if name is None else boxes.rows_of(boxes.videos.index(name))


def boxes_in(path: Path) -> PersonBoxFile:
    """The boxes, read once unless something changes there. Raises AnnotationError."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return _read(path, tuple((file.name, file.stat().st_mtime_ns, file.stat().st_size) for file in files))


@lru_cache(maxsize=2)
def _read(path: Path, _: tuple[tuple[str, int, int], ...]) -> PersonBoxFile:
    return read_person_boxes(path)


def check_boxes(path: Path, rate: float) -> None:
    """Raises ConfigError if nothing is there, or if boxes lie on no key frame and so would never be looked at."""
    if not path.exists():
        raise ConfigError(f"persons.detector.boxes: there is no file {path}")
    check_times(boxes_in(path), path, rate)


def check_times(boxes: PersonBoxFile, path: Path, rate: float) -> None:
    """Raises ConfigError if boxes of that path lie on no key frame."""
    lost = np.flatnonzero(~are_on_key_frames(boxes.times_N, rate))
    if len(lost):
        fitting = fitting_rate(boxes.times_N)
        cure = (
            "no usual rate has a key frame at each of its times"
            if fitting is None
            else f"persons.rate={fitting:.12g} has"
        )
        raise ConfigError(
            f"persons.rate: with {rate:g} key frames a second there is none at {boxes.times_N[lost[0]]:g} s, where "
            f"{path} has people of {boxes.videos[boxes.video_N[lost[0]]]!r}; {cure}"
        )
