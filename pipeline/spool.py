"""Finished segments on disk; named by what determines them, so that a later run can use them."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from uuid import uuid4

import numpy as np

from pipeline.records import DecodeReport, Failure, FeatureSequence, Segment, StageTimes
from pipeline.tables import publish, storing

_FORMAT = 1  # of the files, and of what a backbone computes: one more makes all that is on disk stale


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
    infer_s: float
    infer_waiting_s: float

    @property
    def times(self) -> StageTimes:
        return _times(self.report, self.infer_s, self.infer_waiting_s)


def _times(report: DecodeReport, infer_s: float, infer_waiting_s: float) -> StageTimes:
    busy_s = {"decode": report.busy_s, "features": infer_s}
    return StageTimes(busy_s, {"decode": report.waiting_s, "features": infer_waiting_s})


def features_key(features_hash: str, fingerprint: str) -> str:
    """Key of all that determines a video's features."""
    return hashlib.sha256(f"{_FORMAT} {features_hash} {fingerprint}".encode()).hexdigest()[:16]


def spool_name(features_key: str, segment: Segment) -> str:
    """File name of a segment's result: the same work has the same name."""
    stop = "end" if segment.is_last else f"{segment.stop_s:.6f}"
    return f"{segment.index:06d}-{segment.start_s:.6f}-{stop}-{features_key}.npz"


def write_segment(path: Path, result: SegmentResult) -> None:
    """Raises StopRun when the disk refuses."""
    features = result.features
    about = {
        "video": features.video,
        "start_s": features.start_s,
        "step_s": features.step_s,
        "report": asdict(result.report),
        "infer_s": result.infer_s,
        "infer_waiting_s": result.infer_waiting_s,
        "logits": features.logits_SK is not None,
    }
    arrays = {"features": features.features_SC, "about": np.array(json.dumps(about))}
    if features.logits_SK is not None:
        arrays["logits"] = features.logits_SK
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
            logits_SK=arrays["logits"] if about["logits"] else None,
            start_s=about["start_s"],
            step_s=about["step_s"],
        )


def read_account(path: Path) -> tuple[DecodeReport, StageTimes]:
    """How the segment went, without its arrays. Raises DamagedSegments."""
    with _reading(path), np.load(path) as arrays:
        about = json.loads(str(arrays["about"]))
        lost = tuple(Failure(**{**one, "span_s": tuple(one["span_s"])}) for one in about["report"].pop("lost"))
        report = DecodeReport(**about["report"], lost=lost)
        return report, _times(report, about["infer_s"], about["infer_waiting_s"])


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
