"""The figures of an evaluation as plain values for JSON: shares in 0..1, None where there is no figure."""

import math
from collections.abc import Mapping
from typing import Any

from evaluation.ava import FrameMap
from evaluation.temporal import TemporalMap
from evaluation.video_map import VideoMap


def temporal_document(protocol: str, result: TemporalMap) -> dict[str, Any]:
    """`protocol` is the one that was asked for, though with thresholds of one's own."""
    return {
        "protocol": protocol,
        "tiou": [round(tiou, 9) for tiou in result.tious],  # 0.9 for the official code's 0.8999999999999999
        "mAP": [_number(value) for value in result.map_T],
        "average_mAP": _number(result.average_map),
        "per_class": {label: [_number(value) for value in ap_T] for label, ap_T in result.per_class.items()},
    }


def people_document(frames: FrameMap, tubes: VideoMap | None, names: Mapping[int, str]) -> dict[str, Any]:
    """By AVA's protocol; `video_mAP` is there if tubes were measured."""
    document: dict[str, Any] = {
        "protocol": "ava",
        "mAP@0.5IOU": _number(frames.map_at_50),
        "per_class": {names[action]: _number(ap) for action, ap in frames.per_class.items()},
    }
    if tubes is not None:
        document["video_mAP"] = {
            "iou": list(tubes.ious),
            "mAP": [_number(value) for value in tubes.map_T],
            "per_class": {
                names[action]: [_number(value) for value in ap_T] for action, ap_T in tubes.per_class.items()
            },
        }
    return document


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
