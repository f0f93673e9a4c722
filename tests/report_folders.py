"""Results folders for reports, as runs write them: videos with what was found in them, one part each."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.tables import TABLES, table_of, write_part

Rows = Sequence[dict[str, Any]]


def commit_video(folder: Path, name: str, tables: dict[str, Rows] | None = None, **row: Any) -> Path:
    """`row`: what differs from a minute that was read whole. Returns the folder."""
    usual = {
        "uri": f"/nowhere/{name}",
        "status": "ok",
        "lost_spans": [],
        "duration_s": 60.0,
        "width": 640,
        "height": 360,
        "fps": 25.0,
        "codec": "h264",
        "n_detections": 0,
        "decode_s": 6.0,
        "infer_s": 30.0,
        "run_id": "20260102T030405",
    }
    filled = {"segments": [], **(tables or {}), "videos": [usual | row]}
    for table, rows in filled.items():
        named = [{"video": name} | one for one in rows]
        target = folder / table / f"{name.replace('/', '-')}.parquet"
        write_part([table_of(table, named)], TABLES[table], target, folder / "_temp", {"result_key": "k"})
    return folder


def action(start_s: float, stop_s: float, label: str, score: float) -> dict[str, Any]:
    return {"start_s": start_s, "stop_s": stop_s, "label": label, "label_id": 0, "score": score}


def tube(track: int, start_s: float, stop_s: float, label: str | None, score: float | None) -> dict[str, Any]:
    return {
        "track_id": track,
        "start_s": start_s,
        "stop_s": stop_s,
        "label": label,
        "label_id": None if label is None else 0,
        "score": score,
    }


def person(track: int, time_s: float, box: Sequence[float], label: str | None = None) -> dict[str, Any]:
    row = {"track_id": track, "time_s": time_s, "person_score": 0.9, "label": label}
    return row | dict(zip(("x1", "y1", "x2", "y2"), box, strict=True)) | {"score": None if label is None else 0.5}


def many_actions(count: int, labels: int, length_s: float) -> list[dict[str, Any]]:
    """Spread over a video and over labels, with every score there is between 0 and 1."""
    return [
        action(
            start_s := index * length_s / count,
            start_s + length_s / count * (1 + index % 3),
            f"label {index * 7 % labels:02}",
            round((index * 37 % 1000 + 0.5) / 1000, 4),
        )
        for index in range(count)
    ]
