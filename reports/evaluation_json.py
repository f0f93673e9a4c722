"""The figures of an evaluation as plain values for JSON: shares in 0..1, None where there is no figure."""

import math
from collections.abc import Sequence
from typing import Any

from evaluation.ava import FrameMap
from evaluation.temporal import TemporalMap


def temporal_document(protocol: str, result: TemporalMap) -> dict[str, Any]:
    """`protocol` is the one that was asked for, though with thresholds of one's own."""
    return {
        "protocol": protocol,
        "tiou": [round(tiou, 9) for tiou in result.tious],  # 0.9 for the official code's 0.8999999999999999
        "mAP": [_number(value) for value in result.map_T],
        "average_mAP": _number(result.average_map),
        "per_class": {label: [_number(value) for value in ap_T] for label, ap_T in result.per_class.items()},
    }


def frame_document(result: FrameMap, names: Sequence[str]) -> dict[str, Any]:
    """`names` of the actions, from AVA's first on."""
    return {
        "protocol": "ava",
        "mAP@0.5IOU": _number(result.map_at_50),
        "per_class": {names[action - 1]: _number(ap) for action, ap in result.per_class.items()},
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
