"""People of a whole video: who is who, what each does and when; from blocks of boxes, and from files end to end."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from recordings import record
from runs import run

from pipeline.config import load_config
from pipeline.records import People, PersonBoxes, Video
from stages.track import Track

VIDEO = Video("a.mp4", "/a.mp4", "f", 60.0, 60.0, Fraction(25), 160, 90, "h264", 0, Fraction(0))
CLASSES = 12
WAVES, JUMPS = 3, 7
Box = tuple[float, float, float, float]


def logits(label: int | None) -> np.ndarray:
    """Of twelve classes; one of them stands out unless the person does nothing."""
    values_K = np.random.default_rng(0).normal(size=CLASSES)
    if label is not None:
        values_K[label] = 30.0
    return values_K


def block(frames: dict[float, list[tuple[Box, int | None]]], cuts: Sequence[float] = ()) -> PersonBoxes:
    """People with a box and what they do, by key frame."""
    seen = [(number, box, label) for number, people in enumerate(frames.values()) for box, label in people]
    count = len(seen)
    return PersonBoxes(
        video=VIDEO.key,
        times_F=np.array(list(frames), np.float64),
        frame_N=np.array([number for number, _, _ in seen], np.int64),
        boxes_N4=np.array([box for _, box, _ in seen], np.float32).reshape(-1, 4),
        scores_N=np.full(count, 0.9, np.float32),
        looks_NL=np.ones((count, 4), np.float16) / 2,
        features_NC=np.zeros((count, 5), np.float16),
        logits_NK=np.array([logits(label) for _, _, label in seen], np.float32).reshape(-1, CLASSES),
        cuts_M=np.array(cuts, np.float64),
    )


def track(*blocks: PersonBoxes, lost: Sequence[tuple[float, float]] = (), overrides: Sequence[str] = ()) -> People:
    own = ("persons.actions.own_classes.midpoint=2.5", "persons.actions.own_classes.scale=0.1")  # of twelve classes
    stage = Track(load_config("kinetics400", ["persons=on", *own, *overrides]).persons, single_label=True)
    stage.setup()
    return stage(blocks, VIDEO, 20.0, lost)


def tubes(people: People) -> list[tuple[Any, ...]]:
    found = people.tubes
    return list(zip(found.tracks_U.tolist(), found.labels_U.tolist(), *found.spans_U2.T.tolist(), strict=True))


LEFT, RIGHT = (0.1, 0.2, 0.3, 0.9), (0.6, 0.2, 0.8, 0.9)


def test_two_people_are_two_tracks_and_each_has_its_own_actions() -> None:
    found = track(block({float(k): [(LEFT, WAVES), (RIGHT, JUMPS if k >= 5 else None)] for k in range(10)}))
    assert found.tracks.tracks_N.tolist() == [0, 1] * 10
    assert tubes(found) == [(0, WAVES, 0.0, 9.5), (1, JUMPS, pytest.approx(4.5), 9.5)]
    does = set(zip(found.actions.rows_A.tolist(), found.actions.labels_A.tolist(), strict=True))
    assert does == {(row, WAVES if row % 2 == 0 else JUMPS) for row in range(20) if row % 2 == 0 or row >= 10}


def test_how_blocks_are_cut_changes_nothing() -> None:
    frames = {k / 2: [(LEFT, WAVES if k % 7 else None), (RIGHT, JUMPS)] for k in range(30)}
    items = list(frames.items())
    whole = track(block(frames, cuts=[7.25]))
    for size in (1, 4, 11):
        pieces = [dict(items[k : k + size]) for k in range(0, len(items), size)]
        parts = [block(piece, cuts=[7.25] if 7.0 in piece else []) for piece in pieces]
        cut = track(*parts)
        for name in ("tracks", "actions", "tubes"):
            for field in getattr(whole, name).__dataclass_fields__:
                np.testing.assert_allclose(getattr(getattr(cut, name), field), getattr(getattr(whole, name), field))


def test_a_cut_in_mid_track_ends_the_person_and_the_tube() -> None:
    found = track(block({float(k): [(LEFT, WAVES)] for k in range(10)}, cuts=[4.6]))
    assert found.tracks.tracks_N.tolist() == [0] * 5 + [1] * 5
    assert tubes(found) == [(0, WAVES, 0.0, 4.5), (1, WAVES, 4.6, 9.5)]


def test_rows_outside_spans_are_of_key_frames_before_their_start_or_from_their_end_on() -> None:
    one = block({1.0: [(LEFT, None)], 2.0: [(LEFT, None)], 3.0: [(LEFT, None), (RIGHT, None)]})
    assert one.rows_outside([(2.0, 3.0)]).tolist() == [0, 2, 3]
    assert one.rows_outside([(0.0, 1.5), (3.0, 4.0)]).tolist() == [1]
    assert one.rows_outside([]).tolist() == [0, 1, 2, 3]


def test_key_frames_in_a_lost_span_do_not_count() -> None:
    found = track(block({float(k): [(LEFT, WAVES)] for k in range(12)}), lost=[(4.0, 8.5)])
    assert found.tracks.times_N.tolist() == [0, 1, 2, 3, 9, 10, 11]
    assert [row[2:] for row in tubes(found)] == [(0.0, 3.5), (8.5, 11.5)]


@pytest.mark.parametrize("blocks", [[], [block({})], [block({0.0: [], 1.0: []}), block({2.0: []})]])
def test_where_nobody_is_there_are_no_rows(blocks: list[PersonBoxes]) -> None:
    found = track(*blocks)
    assert (len(found.tracks), len(found.actions.rows_A), len(found.tubes)) == (0, 0, 0)


def test_boxes_on_no_track_are_no_people() -> None:
    """A box of low score begins no track."""
    low = block({0.0: [(LEFT, WAVES)], 1.0: [(LEFT, WAVES)]})
    found = track(replace(low, scores_N=np.full(2, 0.2, np.float32)))
    assert (len(found.tracks), len(found.tubes)) == (0, 0)


# End to end, with boxes from a file


def people_file(path: Path, video: str, boxes: Sequence[Box], seconds: int) -> Path:
    rows = [f"{video},{second},{','.join(map(str, box))},,1.0" for second in range(seconds) for box in boxes]
    path.write_text("\n".join(rows) + "\n")
    return path


def rows_of(recording: Path, boxes: Path, out: Path) -> list[tuple[Any, ...]]:
    # What the pictures of these recordings show in a box is another number every time.
    sets = ("backbone.weights=random", f"persons.detector.boxes={boxes}", "persons.tracking.looks_weight=0")
    run(recording, out, *sets)
    columns = "time_s, track_id, x1, y1, x2, y2"
    return duckdb.sql(f"select distinct {columns} from '{out}/persons/*.parquet' order by all").fetchall()


def test_portrait_recording_has_its_boxes_upright(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", frames=60, size=(64, 96), turn=90)
    boxes = people_file(tmp_path / "boxes.csv", "a.mp4", [LEFT], 3)
    rows = rows_of(path, boxes, tmp_path / "out")
    assert [row[:2] for row in rows] == [(0.0, 0), (1.0, 0), (2.0, 0)]
    np.testing.assert_allclose([row[2:] for row in rows], [LEFT] * 3, atol=1e-6)
    size = duckdb.sql(f"select width, height from '{tmp_path}/out/videos/*.parquet'").fetchall()
    assert size == [(64, 96)]


def test_hundreds_of_people_are_hundreds_of_tracks(tmp_path: Path) -> None:
    crowd = [(x / 20, y / 15, x / 20 + 0.04, y / 15 + 0.06) for x in range(20) for y in range(15)]
    path = record(tmp_path / "a.mp4", frames=75)
    rows = rows_of(path, people_file(tmp_path / "boxes.csv", "a.mp4", crowd, 3), tmp_path / "out")
    assert len(rows) == 900 and len({row[1] for row in rows}) == 300
    for track_id in (0, 150, 299):
        assert len({row[2:] for row in rows if row[1] == track_id}) == 1  # they stand still


def test_people_at_the_border_are_people(tmp_path: Path) -> None:
    edges = [(0.0, 0.0, 0.02, 1.0), (0.98, 0.0, 1.0, 1.0), (0.2, 0.0, 0.8, 0.01), (0.3, 0.999, 0.6, 1.0)]
    path = record(tmp_path / "a.mp4", frames=50)
    rows = rows_of(path, people_file(tmp_path / "boxes.csv", "a.mp4", edges, 2), tmp_path / "out")
    np.testing.assert_allclose(
        [row[2:] for row in rows if row[0] == 1.0], [row[2:] for row in rows if row[0] == 0.0], atol=1e-6
    )
    assert len(rows) == 8 and len({row[1] for row in rows}) == 4
