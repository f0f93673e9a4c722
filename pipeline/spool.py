"""Finished segments on disk; named by what determines them, so that a later run can use them."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from pipeline.records import DecodeReport, Failure, FeatureSequence, PersonBoxes, Segment, StageTimes
from pipeline.tables import publish, storing

_PEOPLE = "people_"
_PERSON_ARRAYS = tuple(field.name for field in fields(PersonBoxes) if field.name != "video")
_FORMAT = 2  # of the files, and of what a backbone computes: one more makes all that is on disk stale


class DamagedSegments(Exception):  # noqa: N818 - it names what is there
    """Files of segments that are gone or cannot be read."""

    def __init__(self, paths: Sequence[Path]) -> None:
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        super().__init__(f"features are gone or damaged: {paths[0]}{more}; the same command again computes them anew")
        self.paths = tuple(paths)

    def __reduce__(self) -> tuple[type["DamagedSegments"], tuple[tuple[Path, ...]]]:
        return DamagedSegments, (self.paths,)


@dataclass(frozen=True, eq=False, slots=True)
class SegmentResult:
    """What came of one segment."""

    features: FeatureSequence
    report: DecodeReport
    busy_s: dict[str, float]  # of the stages that look at frames
    waiting_s: float  # for frames
    people: PersonBoxes | None = None  # None if people were not looked for

    @property
    def times(self) -> StageTimes:
        return _times(self.report, self.busy_s, self.waiting_s)


def _times(report: DecodeReport, busy_s: dict[str, float], waiting_s: float) -> StageTimes:
    return StageTimes({"decode": report.busy_s, **busy_s}, {"decode": report.waiting_s, "features": waiting_s})


def features_key(features_hash: str, fingerprint: str) -> str:
    """Key of all that determines a video's features."""
    return hashlib.sha256(f"{_FORMAT} {features_hash} {fingerprint}".encode()).hexdigest()[:16]


def spool_name(features_key: str, segment: Segment) -> str:
    """File name of a segment's result: the same work has the same name."""
    stop = "end" if segment.is_last else f"{segment.stop_s:.6f}"
    return f"{segment.index:06d}-{segment.start_s:.6f}-{stop}-{features_key}.npz"


def write_segment(path: Path, result: SegmentResult) -> None:
    """Raises StopRun when the disk refuses."""
    features, people = result.features, result.people
    about = {
        "video": features.video,
        "start_s": features.start_s,
        "step_s": features.step_s,
        "report": asdict(result.report),
        "busy_s": result.busy_s,
        "waiting_s": result.waiting_s,
        "people": people is not None,
    }
    arrays = {"about": np.array(json.dumps(about)), "features": features.features_SC}
    if features.logits_SK is not None:
        arrays["logits"] = features.logits_SK
    if people is not None:
        arrays |= {_PEOPLE + name: one for name in _PERSON_ARRAYS if (one := getattr(people, name)) is not None}
    temp = path.with_name(f".{path.name}.{uuid4().hex}.tmp")  # others may be writing the same, on any machine
    with storing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with temp.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        publish(temp, path)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception:  # of a damaged archive it may be any
        raise DamagedSegments([path]) from None


def read_features(path: Path) -> FeatureSequence:
    """Raises DamagedSegments."""
    with _reading(path), np.load(path) as arrays:
        about = json.loads(str(arrays["about"]))
        return FeatureSequence(
            video=about["video"],
            features_SC=arrays["features"],
            logits_SK=arrays.get("logits"),
            start_s=about["start_s"],
            step_s=about["step_s"],
        )


def read_people(path: Path) -> PersonBoxes | None:
    """None if they were not looked for. Raises DamagedSegments."""
    with _reading(path), np.load(path) as arrays:
        about = json.loads(str(arrays["about"]))
        if not about["people"]:
            return None
        names = {name: _PEOPLE + name for name in _PERSON_ARRAYS}
        columns: dict[str, Any] = {name: arrays.get(one) for name, one in names.items()}
        return PersonBoxes(about["video"], **columns)


def read_account(path: Path) -> tuple[DecodeReport, StageTimes]:
    """How the segment went, without its arrays. Raises DamagedSegments."""
    with _reading(path), np.load(path) as arrays:
        about = json.loads(str(arrays["about"]))
        lost = tuple(Failure(**{**one, "span_s": tuple(one["span_s"])}) for one in about["report"].pop("lost"))
        report = DecodeReport(**about["report"], lost=lost)
        return report, _times(report, about["busy_s"], about["waiting_s"])


def read_accounts(paths: Sequence[Path]) -> list[tuple[DecodeReport, StageTimes]]:
    """Raises DamagedSegments, which names all that cannot be read."""
    accounts, damaged = [], []
    for path in paths:
        try:
            accounts.append(read_account(path))
        except DamagedSegments:
            damaged.append(path)
    if damaged:
        raise DamagedSegments(damaged)
    return accounts


class SpooledFeatures:
    """A video's features, block by block from disk; may be gone through again and again."""

    def __init__(self, paths: Sequence[Path], video: str) -> None:
        self.paths = paths
        self.video = video  # its key now: the same content may have had another name when it was computed

    def __iter__(self) -> Iterator[FeatureSequence]:
        """Raises DamagedSegments."""
        for path in self.paths:
            features = read_features(path)
            if len(features):
                yield replace(features, video=self.video)


class SpooledPeople:
    """A video's people, stretch by stretch from disk; may be gone through again and again."""

    def __init__(self, paths: Sequence[Path], video: str) -> None:
        self.paths = paths
        self.video = video  # its key now, as of features

    def __iter__(self) -> Iterator[PersonBoxes]:
        """Raises DamagedSegments."""
        for path in self.paths:
            people = read_people(path)
            if people is not None:
                yield replace(people, video=self.video)
