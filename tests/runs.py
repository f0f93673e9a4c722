"""Whole runs for tests: the same small archive of real recordings, and their tables in a form that compares."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
from rich.console import Console

from detectors import weights
from pipeline.config import load_config
from pipeline.detection import StageMaker, detect
from pipeline.progress import Progress, Tally
from pipeline.settings import Config
from pipeline.sources import list_sources
from stages.build import build_stages
from stages.compose import Clip, compose

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = (
    *("backbone.precision=float32", "frames.short_side=64", "segments.length_s=6", "localizer.nms.min_score=0.0"),
    # The best label of every person, however unsure: no row hangs on a threshold.
    *("persons=on", "persons.detector.min_score=0.05", "persons.tracking.low_score=0.05"),
    *("persons.tracking.high_score=0.1", "persons.actions.min_score=0.0", "persons.actions.labels_per_person=1"),
    *("persons.tubes.start_score=0.0", "persons.tubes.keep_score=0.0"),
)

Row = tuple[str, str, float, float, float]


def make_archive(folder: Path) -> Path:
    """Three recordings of 8 to 18 s and a text that claims to be a video."""
    people, street = weights.fetch("sample_people"), weights.fetch("sample_street")
    cuts = {
        "both.mp4": [Clip(people, 0.0, 7.0), Clip(street, 0.0, 9.5)],
        "street.mp4": [Clip(street, 1.0, 9.0)],
        "people.mp4": [Clip(people, 1.0, 7.5), Clip(people, 0.0, 3.0)],
    }
    folder.mkdir(parents=True)
    for name, parts in cuts.items():
        compose(parts, folder / name, width=192, height=128, fps=25)
    (folder / "text.mp4").write_text("this is no video")
    return folder


def settings(*overrides: str) -> Config:
    return load_config("kinetics400_fast", [*SETTINGS, *overrides])


def run(
    archive: Path,
    out: Path,
    *overrides: str,
    engine: str = "local",
    stages: StageMaker = build_stages,
    retry_failed: bool = False,
) -> Tally:
    """A run inside this process."""
    with Path(os.devnull).open("w") as nowhere:
        progress = Progress(Console(file=nowhere))
        return detect(
            list_sources([str(archive)]),
            settings(*overrides),
            out,
            make_stages=stages,
            progress=progress,
            engine="ray" if engine == "ray" else "local",
            retry_failed=retry_failed,
        )


def start(
    archive: Path,
    out: Path,
    *overrides: str,
    engine: str,
    before: Callable[[], None] | None = None,
    cache: Path | None = None,
) -> subprocess.Popen[str]:
    """The same run through the command line, in a process of its own."""
    sets = [part for setting in (*SETTINGS, *overrides) for part in ("--set", setting)]
    command = ["detect", str(archive), "--out", str(out), "--config", "kinetics400_fast", "--engine", engine, *sets]
    return subprocess.Popen(
        [sys.executable, str(ROOT / "run.py"), *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=before,
        env=os.environ | ({} if cache is None else {"UNTRIMMED_CACHE": str(cache)}),
    )


def segments(out: Path) -> list[Row]:
    """Rows of `segments` by video, label and time."""
    query = f"select video, label, start_s, stop_s, score from '{out}/segments/*.parquet' order by all"
    return duckdb.connect().sql(query).fetchall()


def people(out: Path) -> list[Row]:
    """Rows of `persons` and `tubes`: video, who and what, then numbers."""
    persons = (
        "select video, concat_ws(' ', time_s, track_id, label) as what, x1, y1, x2, y2, person_score, score "
        f"from '{out}/persons/*.parquet'"
    )
    tubes = (
        "select video, concat_ws(' ', track_id, label) as what, start_s, stop_s, score, 0, 0, 0 "
        f"from '{out}/tubes/*.parquet'"
    )
    return duckdb.connect().sql(f"({persons}) union all ({tubes}) order by all").fetchall()


def videos(out: Path) -> list[tuple[object, ...]]:
    """What `videos` says that does not depend on when and how fast it was found."""
    columns = "video, status, error_class, error, lost_spans, duration_s, n_detections"
    return duckdb.connect().sql(f"select {columns} from '{out}/videos/*.parquet' order by video").fetchall()


def assert_same_tables(out: Path, expected: Path, *, but_for: str = "") -> None:
    """Spans within 1e-3 s, scores within 1e-3; no row twice, none missing, no temp file among the parts."""
    for table in (segments, people):
        rows, wanted = ([row for row in table(place) if row[0] != but_for] for place in (out, expected))
        assert [row[:2] for row in rows] == [row[:2] for row in wanted]
        np.testing.assert_allclose([row[2:] for row in rows], [row[2:] for row in wanted], atol=1e-3)
    of_videos = [[row for row in videos(place) if row[0] != but_for] for place in (out, expected)]
    assert of_videos[0] == of_videos[1]
    tables = ("videos", "segments", "persons", "tubes")
    assert {path.suffix for table in tables for path in (out / table).iterdir()} == {".parquet"}
    assert not (out / "_spool").exists() and not (out / "_temp").exists()
