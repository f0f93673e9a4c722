"""What people do, as a run of ours writes it: parts of `persons` and `tubes` with their commit."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.tables import PERSONS, TUBES, VIDEOS, table_of, write_part

Person = tuple[float, int, Sequence[float], str | None, float | None]  # time_s, track, box, label, score
Tube = tuple[int, float, float, str, float]  # track, start_s, stop_s, label, score


def commit_people(
    folder: Path, part: str, video: str, persons: Sequence[Person], tubes: Sequence[Tube] | None = None
) -> None:
    """Without `tubes` there is no part of them."""
    commit_rows(folder, part, "persons", [_person(video, *row) for row in persons])
    if tubes is not None:
        commit_rows(folder, part, "tubes", [_tube(video, *row) for row in tubes])
    commit_rows(folder, part, "videos", [{"video": video, "status": "ok"}])


def commit_rows(folder: Path, part: str, name: str, rows: Sequence[dict[str, Any]]) -> None:
    schema = {"persons": PERSONS, "tubes": TUBES, "videos": VIDEOS}[name]
    write_part([table_of(name, rows)], schema, folder / name / f"{part}.parquet", folder / "_temp", {"result_key": "k"})


def _person(
    video: str, time_s: float, track: int, box: Sequence[float], label: str | None, score: float | None
) -> dict[str, Any]:
    row = {"video": video, "time_s": time_s, "track_id": track, "person_score": 0.9, "label": label, "score": score}
    return row | dict(zip(("x1", "y1", "x2", "y2"), box, strict=True)) | {"label_id": None if label is None else 3}


def _tube(video: str, track: int, start_s: float, stop_s: float, label: str, score: float) -> dict[str, Any]:
    span = {"video": video, "track_id": track, "start_s": start_s, "stop_s": stop_s}
    return span | {"label": label, "label_id": 3, "score": score}
