"""The data that a report's page holds for its scripts: columns of all detections, and a block for each video.

Numbers are little-endian arrays in base64, which take a third of the room that they take in JSON.
"""

import base64
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from reports.overlay.tiles import track_colour
from reports.page.boxes import chosen_boxes
from reports.page.pictures import Pictures
from reports.page.rows import ReportRows, of_video

SCORE_PARTS = 10_000  # scores are whole numbers of these parts, cut off so that none passes a threshold it is below
MOST_BOXES = 60_000  # in all; a megabyte
_BOX_PARTS = 65_535


def script_json(value: Any) -> Markup:
    """JSON that may stand in a script element: nothing in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))


def overview(rows: ReportRows, hrefs: Sequence[str | None]) -> Markup:
    """Of all videos and labels; `hrefs`: where a page finds each video's file, None where it cannot."""
    firsts = np.searchsorted(rows.detections.video_N, np.arange(len(rows.videos) + 1)).tolist()
    columns = {name: [row[name] for row in rows.videos] for name in ("status", "error_class", "error", "codec")}
    columns |= {name: [row[name] for row in rows.videos] for name in ("width", "height")}
    columns |= {"name": [row["video"] for row in rows.videos], "uri": [row["uri"] for row in rows.videos]}
    columns["duration_s"] = [_rounded(row["duration_s"]) for row in rows.videos]
    columns["fps"] = [_rounded(row["fps"]) for row in rows.videos]
    labels = [{"name": label.name, "isOfPeople": label.is_of_people} for label in rows.labels]
    return script_json({"videos": columns | {"href": list(hrefs), "first": firsts}, "labels": labels})


def _rounded(number: float | None) -> float | None:
    return None if number is None or not np.isfinite(number) else round(number, 3)


def detection_columns(rows: ReportRows) -> str:
    """Starts and lengths in milliseconds, labels, tracks (where there are people): 4 bytes each; scores: 2 bytes."""
    found = rows.detections
    score_N = np.floor(np.clip(found.score_N, 0, 1) * SCORE_PARTS + 1e-6)
    wide = [found.start_s_N * 1000, (found.stop_s_N - found.start_s_N) * 1000, found.label_N, found.track_N + 1]
    return _base64([np.maximum(np.rint(column), 0).astype("<u4") for column in wide] + [score_N.astype("<u2")])


def _base64(arrays: Sequence[np.ndarray]) -> str:
    return base64.b64encode(b"".join(array.tobytes() for array in arrays)).decode()


def video_block(rows: ReportRows, number: int, pictures: Pictures) -> dict[str, Any]:
    """What a page shows of one video only: spans lost, pictures, people."""
    lost = rows.videos[number]["lost_spans"] or []
    block: dict[str, Any] = {}
    if lost:
        block["lost"] = [[_rounded(one["start_s"]), _rounded(one["stop_s"]), one["reason"]] for one in lost]
    if pictures:
        block["pictures"] = [[time_s, base64.b64encode(pictures[time_s]).decode()] for time_s in sorted(pictures)]
    return block | _people(rows, number, np.array(sorted(pictures)))


def _people(rows: ReportRows, number: int, instants_s: np.ndarray) -> dict[str, Any]:
    found, present = of_video(rows.detections.video_N, number), of_video(rows.presence.video_P, number)
    track_F, track_P = rows.detections.track_N[found], rows.presence.track_P[present]
    tracks = np.unique(np.concatenate([track_F[track_F >= 0], track_P]))
    if not len(tracks):
        return {}
    spans = zip(
        np.searchsorted(tracks, track_P).tolist(),
        np.round(rows.presence.start_s_P[present], 2).tolist(),
        np.round(rows.presence.stop_s_P[present], 2).tolist(),
        strict=True,
    )
    videos_with_boxes = len(np.unique(rows.key_boxes.video_K))
    boxes = chosen_boxes(rows, number, instants_s, MOST_BOXES // max(1, videos_with_boxes))
    people = {
        "tracks": tracks.tolist(),
        "colours": ["#{:02x}{:02x}{:02x}".format(*track_colour(track)) for track in tracks.tolist()],
        "spans": [list(span) for span in spans],
        "period_s": rows.period_s.get(number, 1.0),
        "boxes": _boxes(rows, boxes, tracks),
    }
    return {"people": people}


def _boxes(rows: ReportRows, chosen: np.ndarray, tracks: np.ndarray) -> str:
    """Milliseconds and place among the tracks, 4 bytes each; x1 y1 x2 y2, 2 bytes each."""
    every = rows.key_boxes
    places = np.searchsorted(tracks, every.track_K[chosen]).astype("<u4")
    sides = np.rint(np.clip(every.boxes_K4[chosen], 0, 1) * _BOX_PARTS).astype("<u2")
    return _base64([np.rint(every.time_s_K[chosen] * 1000).astype("<u4"), places, sides])
