"""People found elsewhere, or annotated, from a file: their boxes on the key frames of each video."""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from annotations.errors import AnnotationError
from annotations.key_frames import SAME_S, are_on_key_frames, fitting_rate
from annotations.matching import NamesOf
from annotations.person_boxes import PersonBoxFile, read_person_boxes
from detectors.persons.contract import PeopleInPicture
from pipeline.config import ConfigError


class _Given(NamedTuple):
    boxes: PersonBoxFile
    name_of: NamesOf

    def rows_of(self, video: str) -> slice:
        name = self.name_of(video)
        return slice(0, 0) if name is None else self.boxes.rows_of(self.boxes.videos.index(name))


class BoxFile:
    """A file of boxes, or a folder of Parquet parts; a worker reads it once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def setup(self) -> None:
        """Raises AnnotationError."""
        self._given = _given(self.path)
        self._rows: dict[str, slice] = {}

    def at(self, video: str, time_s: float) -> PeopleInPicture:
        """Who is there at an instant, best score first; nobody in a video that the file does not name."""
        rows = self._rows.get(video) or self._rows.setdefault(video, self._given.rows_of(video))
        boxes = self._given.boxes
        near = (time_s - SAME_S, time_s + SAME_S)
        first, stop = rows.start + np.searchsorted(boxes.times_N[rows], near)
        order = first + np.argsort(-boxes.scores_N[first:stop], kind="stable")
        return PeopleInPicture(boxes.boxes_N4[order].astype(np.float32), boxes.scores_N[order].astype(np.float32))

    def digest_of(self, video: str) -> str:
        """sha256 of the boxes of a video; needs no setup(). Raises AnnotationError."""
        given = _given(self.path)
        return given.boxes.digest_of(given.rows_of(video))

    def strangers(self, videos: Iterable[str]) -> tuple[list[str], list[str]]:
        """Videos of the file that are none of these, and those of these that are not in it; needs no setup().

        Raises AnnotationError where a video of the file fits two of these: people of one would be drawn into another.
        """
        given = _given(self.path)
        video_of: dict[str, str] = {}
        unknown = []
        for video in videos:
            name = given.name_of(video)
            if name is None:
                unknown.append(video)
            elif video_of.setdefault(name, video) != video:
                cure = "write both there in full, or leave one out"
                raise AnnotationError(f"{self.path}: {name!r} fits the videos {video_of[name]!r} and {video!r}; {cure}")
        return [name for name in given.boxes.videos if name not in video_of], unknown


def boxes_in(path: Path) -> PersonBoxFile:
    """The boxes, read once unless something changes there. Raises AnnotationError."""
    return _given(path).boxes


def _given(path: Path) -> _Given:
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return _read(path, tuple((file.name, file.stat().st_mtime_ns, file.stat().st_size) for file in files))


@lru_cache(maxsize=2)
def _read(path: Path, _: tuple[tuple[str, int, int], ...]) -> _Given:
    boxes = read_person_boxes(path)
    return _Given(boxes, NamesOf(boxes.videos, str(path)))


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
