"""Finished segments on disk, until their video is whole; named by what they hold, so that a later run can use them."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from pipeline.records import DecodeReport, Failure, FeatureSequence, Segment, StageTimes
from pipeline.tables import publish, storing


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


def spool_name(result_key: str, segment: Segment) -> str:
    """File name of a segment's result: the same work has the same name."""
    stop = "end" if segment.is_last else f"{segment.stop_s:.6f}"
    return f"{segment.index:06d}-{segment.start_s:.6f}-{stop}-{result_key}.npz"


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
    }
    arrays = {"features": features.features_SC, "about": np.array(json.dumps(about))}
    if features.logits_SK is not None:
        arrays["logits"] = features.logits_SK
    temp = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with storing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with temp.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        publish(temp, path)


def read_features(path: Path) -> FeatureSequence:
    with np.load(path) as arrays:
        about = json.loads(str(arrays["about"]))
        return FeatureSequence(
            video=about["video"],
            features_SC=arrays["features"],
            logits_SK=arrays.get("logits"),
            start_s=about["start_s"],
            step_s=about["step_s"],
        )


def read_account(path: Path) -> tuple[DecodeReport, StageTimes]:
    """How the segment went, without its arrays."""
    with np.load(path) as arrays:
        about = json.loads(str(arrays["about"]))
    lost = tuple(Failure(**{**one, "span_s": tuple(one["span_s"])}) for one in about["report"].pop("lost"))
    report = DecodeReport(**about["report"], lost=lost)
    return report, _times(report, about["infer_s"], about["infer_waiting_s"])


class SpooledFeatures:
    """A video's features, block by block from disk; may be gone through again and again."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths

    def __iter__(self) -> Iterator[FeatureSequence]:
        for path in self.paths:
            features = read_features(path)
            if len(features):
                yield features
