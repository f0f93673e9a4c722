"""Small annotations for tests, in the forms that people have them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from annotations.records import Annotations, LabelledSpans

UNTRIMMED: dict[str, Any] = {
    "version": "ut-untrimmed-1",
    "taxonomy": [],
    "database": {
        "ut_train_group0_take0": {
            "subset": "training",
            "duration": 97.933,
            "annotations": [
                {"segment": [3.2, 7.633], "label": "point"},
                {"segment": [18.233, 21.833], "label": "punch"},
                {"segment": [28.233, 34.333], "label": "handshake"},
            ],
        },
        "ut_train_group4_take0": {
            "subset": "validation",
            "duration": 50.0,
            "annotations": [{"segment": ["9.5", "15.167"], "label": "hug"}],
        },
        "ut_train_group4_take1": {"subset": "validation", "duration": 12, "annotations": []},
    },
}
RESULTS: dict[str, Any] = {
    "version": "1.3",
    "results": {
        "a": [
            {"segment": [1.0, 2.5], "label": "run", "score": 0.75},
            {"segment": [4, 5], "label": "hop", "score": "0.5"},
        ],
        "b": [],
    },
    "external_data": {},
}

Row = tuple[int, float, float, str]  # number of the video, start_s, stop_s, label


def put(path: Path, content: str | bytes | object) -> Path:
    """A file of text, bytes, or anything else as JSON."""
    if not isinstance(content, (str, bytes)):
        content = json.dumps(content)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def spans_of(rows: Sequence[Row], videos: Sequence[str], scores: Sequence[float] | None = None) -> LabelledSpans:
    labels = tuple(sorted({row[3] for row in rows}))
    return LabelledSpans(
        tuple(videos),
        labels,
        np.array([row[0] for row in rows], dtype=np.int64),
        np.array([row[1:3] for row in rows], dtype=np.float64).reshape(-1, 2),
        np.array([labels.index(row[3]) for row in rows], dtype=np.int64),
        None if scores is None else np.array(scores, dtype=np.float64),
    )


def annotations_of(
    rows: Sequence[Row],
    videos: Sequence[str],
    durations_s: Sequence[float | None] | None = None,
    subsets: Sequence[str | None] | None = None,
) -> Annotations:
    nothing = [None] * len(videos)
    return Annotations(spans_of(rows, videos), tuple(durations_s or nothing), tuple(subsets or nothing))


def plain(spans: LabelledSpans) -> list[tuple[Any, ...]]:
    """Rows with names in place of numbers, in order."""
    scores = [()] * len(spans) if spans.scores_N is None else [(score,) for score in spans.scores_N.tolist()]
    return [
        (spans.videos[video], *span_s, spans.labels[label], *score)
        for video, span_s, label, score in zip(
            spans.video_N.tolist(), spans.spans_N2.tolist(), spans.label_N.tolist(), scores, strict=True
        )
    ]


def everything(found: LabelledSpans | Annotations) -> tuple[Any, ...]:
    """All that a record holds, to compare."""
    if isinstance(found, Annotations):
        return (*everything(found.spans), found.durations_s, found.subsets)
    return found.videos, found.labels, plain(found)
