"""Labelled spans from rows, and the golden set of ActivityNet's own evaluation."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from annotations.records import LabelledSpans

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "temporal_map_small.json").read_text())
VIDEOS = ("a", "b", "c")
LABELS = ("run", "jump", "swim")


def spans(
    rows: Iterable[Sequence[Any]], videos: Sequence[str] = VIDEOS, labels: Sequence[str] = LABELS
) -> LabelledSpans:
    """Rows of (video, start, stop, label), of predictions with a score at the end, all of them or none."""
    rows = list(rows)
    has_scores = any(len(row) == 5 for row in rows)
    return LabelledSpans(
        tuple(videos),
        tuple(labels),
        np.array([videos.index(row[0]) for row in rows], dtype=np.int64),
        np.array([row[1:3] for row in rows], dtype=np.float64).reshape(-1, 2),
        np.array([labels.index(row[3]) for row in rows], dtype=np.int64),
        np.array([row[4] for row in rows], dtype=np.float64) if has_scores else None,
    )


def nothing_found() -> LabelledSpans:
    return LabelledSpans((), (), np.zeros(0, np.int64), np.zeros((0, 2)), np.zeros(0, np.int64), np.zeros(0))


def golden_truth() -> LabelledSpans:
    return _golden(GOLDEN["truth"])


def golden_found() -> LabelledSpans:
    return _golden(GOLDEN["found"])


def _golden(rows: list[list[Any]]) -> LabelledSpans:
    videos, labels = GOLDEN["videos"], GOLDEN["labels"]
    return spans(((videos[row[0]], *row[1:3], labels[row[3]], *row[4:]) for row in rows), videos, labels)
