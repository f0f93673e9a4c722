"""Videos committed to a results folder, with rows in every table."""

from dataclasses import replace
from fractions import Fraction

import numpy as np

from pipeline.records import (
    Detections,
    FeatureSequence,
    Outcome,
    People,
    PersonActions,
    Source,
    Tracks,
    Tubes,
    Video,
)
from pipeline.results import ResultsFolder, part_name
from stages.write import Write

PROVENANCE = {"config_hash": "c", "weights_hash": "w", "software_version": "0"}
VIDEO = Video("a.mp4", "/videos/a.mp4", "f", 8.0, 8.0, Fraction(25), 640, 360, "h264", 0, Fraction(0))


def source(name: str) -> Source:
    return Source(name, f"/videos/{name}", 1000)


def detections(count: int) -> Detections:
    spans_N2 = np.stack([np.arange(count), np.arange(count) + 0.5], axis=1).astype(float)
    return Detections(spans_N2, np.zeros(count, np.int64), np.full(count, 0.5))


def people() -> People:
    """Two on a key frame, one of whom runs and falls, and one of them on the next."""
    boxes_N4 = np.array([[0, 0, 0.25, 1], [0.5, 0, 0.75, 1], [0, 0, 0.25, 1]], np.float32)
    tracks = Tracks(np.array([0.0, 0.0, 1.0]), boxes_N4, np.full(3, 0.5, np.float32), np.array([0, 1, 0]))
    actions = PersonActions(np.array([0, 0, 2]), np.array([0, 1, 0]), np.array([0.25, 0.75, 0.5]))
    tubes = Tubes(np.array([0]), np.array([[0.0, 1.5]]), np.array([0]), np.array([0.375]))
    return People(tracks, actions, tubes)


def commit(
    results: ResultsFolder, name: str, count: int, *, only_segments: bool = False, config_hash: str = "c"
) -> str:
    """Write one video with that many actions; gives the name of its parts."""
    names = None if only_segments else ["run", "fall"]
    settings = {"person_class_names": names, "features": not only_segments}
    write = Write(
        results, class_names=["run"], metadata=PROVENANCE | {"config_hash": config_hash}, run_id="r", **settings
    )
    video = replace(VIDEO, key=name, uri=f"/videos/{name}")
    write(Outcome(source(name), "f", video, detections(count), end_s=8.0, people=people()), [features(2, video=name)])
    return part_name(f"/videos/{name}", name)


def features(steps: int, *, video: str = "a.mp4", start_s: float = 0.0, logits: bool = True) -> FeatureSequence:
    values_SC = np.arange(steps * 4, dtype=np.float16).reshape(steps, 4)
    logits_SK = values_SC.astype(np.float32)[:, :3] if logits else None
    return FeatureSequence(video, values_SC, logits_SK, start_s, 0.32)
