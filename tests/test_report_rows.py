"""What a report shows of the tables: rows of real Parquet parts, and which instants and boxes are chosen from them."""

from pathlib import Path

import numpy as np
import pytest
from report_folders import action, commit_video, many_actions, person, tube

from pipeline.sources import InputError
from reports.page.boxes import chosen_boxes
from reports.page.instants import MOST_A_VIDEO, wanted_instants
from reports.page.rows import NOBODY, of_video, read_rows

BOX = (0.1, 0.2, 0.3, 0.8)


def test_detections_come_by_video_then_track_then_start_with_their_labels(tmp_path: Path) -> None:
    commit_video(tmp_path, "b.mp4", {"segments": [action(5, 6, "run", 0.5), action(1, 2, "hop", 0.25)]})
    tubes = [tube(3, 0, 4, "walk", 0.75), tube(1, 2, 3, "run", 1.0), tube(2, 0, 9, None, None)]
    commit_video(tmp_path, "a.mp4", {"segments": [action(7, 8, "run", 0.5)], "tubes": tubes})
    rows = read_rows(tmp_path)
    found = rows.detections
    assert [row["video"] for row in rows.videos] == ["a.mp4", "b.mp4"]
    names = [(rows.labels[label].name, rows.labels[label].is_of_people) for label in found.label_N]
    assert names == [("run", False), ("run", True), ("walk", True), ("hop", False), ("run", False)]
    assert found.video_N.tolist() == [0, 0, 0, 1, 1] and found.track_N.tolist() == [NOBODY, 1, 3, NOBODY, NOBODY]
    assert found.start_s_N.tolist() == [7, 2, 0, 1, 5] and found.score_N.tolist() == [0.5, 1.0, 0.75, 0.25, 0.5]
    assert of_video(found.video_N, 1) == slice(3, 5)
    assert [(label.name, label.is_of_people) for label in rows.labels] == [
        ("hop", False),
        ("run", False),
        ("run", True),
        ("walk", True),
    ]


def test_less_sure_actions_are_left_out_and_people_stay_in_view(tmp_path: Path) -> None:
    people = {"tubes": [tube(1, 0, 2, "walk", 0.4)], "persons": [person(1, 1.0, BOX)]}
    commit_video(tmp_path, "a.mp4", {"segments": [action(0, 1, "x", 0.5), action(0, 1, "y", 0.49)], **people})
    rows = read_rows(tmp_path, min_score=0.5)
    assert [label.name for label in rows.labels] == ["x"] and rows.presence.track_P.tolist() == [1]


def test_person_is_in_view_from_key_frame_to_key_frame_but_for_long_gaps(tmp_path: Path) -> None:
    seen = [person(1, time_s, BOX, label) for time_s in (1, 2, 4, 9) for label in ("walk", "talk")]
    commit_video(tmp_path, "a.mp4", {"persons": [*seen, *(person(2, time_s, BOX) for time_s in range(12))]})
    presence = read_rows(tmp_path).presence
    spans = list(zip(presence.track_P, presence.start_s_P, presence.stop_s_P, strict=True))
    assert spans == [(1, 0.5, 4.5), (1, 8.5, 9.5), (2, 0.0, 11.5)]


def test_track_without_boxes_is_in_view_while_its_row_says_so(tmp_path: Path) -> None:
    commit_video(tmp_path, "a.mp4", {"tubes": [tube(4, 2.0, 7.0, None, None)]})
    presence = read_rows(tmp_path).presence
    assert (presence.track_P.tolist(), presence.start_s_P.tolist(), presence.stop_s_P.tolist()) == ([4], [2.0], [7.0])


def test_boxes_are_those_of_people_who_do_something(tmp_path: Path) -> None:
    persons = [person(track, time_s, (0.1 * track, 0, 0.5, 1)) for track in (1, 2) for time_s in (0, 1, 2, 3)]
    commit_video(tmp_path, "a.mp4", {"persons": persons, "tubes": [tube(2, 0.5, 2.5, "walk", 0.9)]})
    boxes = read_rows(tmp_path).key_boxes
    assert boxes.track_K.tolist() == [2, 2] and boxes.time_s_K.tolist() == [1, 2]
    np.testing.assert_allclose(boxes.boxes_K4, [[0.2, 0, 0.5, 1]] * 2)


def test_name_that_two_runs_gave_is_one_video(tmp_path: Path) -> None:
    commit_video(tmp_path, "a.mp4", uri="/monday/a.mp4", run_id="1")
    (tmp_path / "videos" / "a.mp4.parquet").rename(tmp_path / "videos" / "other.parquet")
    commit_video(tmp_path, "a.mp4", uri="/tuesday/a.mp4", run_id="2")
    assert [row["uri"] for row in read_rows(tmp_path).videos] == ["/tuesday/a.mp4"]


def test_folder_without_actions_people_or_even_videos_is_read(tmp_path: Path) -> None:
    (tmp_path / "segments").mkdir()
    rows = read_rows(tmp_path)
    assert rows.videos == () and rows.labels == () and len(rows.detections.video_N) == 0
    commit_video(tmp_path, "a.mp4", status="failed", duration_s=None)
    assert len(read_rows(tmp_path).videos) == 1


def test_what_is_no_results_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is no results folder"):
        read_rows(tmp_path / "none")
    commit_video(tmp_path, "a.mp4", {"segments": [action(0, 1, "x", 0.5)]})
    (tmp_path / "segments" / "a.mp4.parquet").write_bytes(b"PAR1 nothing of the kind")
    with pytest.raises(InputError, match=r"^[^\n]*cannot be read: [^\n]*a\.mp4\.parquet[^\n]*$"):
        read_rows(tmp_path)


# Instants


def wanted(folder: Path, most: int = 1000) -> dict[int, list[float]]:
    rows = read_rows(folder)
    return wanted_instants(rows, range(len(rows.videos)), most)


def test_detection_gets_its_middle_then_its_sides(tmp_path: Path) -> None:
    commit_video(tmp_path, "a.mp4", {"segments": [action(12, 24, "x", 0.5)]})
    assert wanted(tmp_path) == {0: [18.0, 14.0, 22.0]}


def test_near_detections_share_pictures_and_none_reaches_beyond_its_span(tmp_path: Path) -> None:
    segments = [action(12, 24, "x", 0.9), action(12.5, 24.5, "y", 0.8), action(18.5, 19.5, "z", 0.7)]
    commit_video(tmp_path, "a.mp4", {"segments": segments})
    instants = wanted(tmp_path)[0]
    assert instants == [18.0, 19.0, 14.0, 18.667, 22.0, 19.333]


def test_videos_take_turns_the_surest_first_and_no_more_than_there_is_room_for(tmp_path: Path) -> None:
    for name, score in (("a.mp4", 0.2), ("b.mp4", 0.9), ("c.mp4", 0.5)):
        spans = [action(10.0 * number, 10.0 * number + 6, "x", score - number / 100) for number in range(5)]
        commit_video(tmp_path, name, {"segments": spans})
    assert wanted(tmp_path, 4) == {0: [3.0], 1: [3.0, 13.0], 2: [3.0]}
    assert wanted(tmp_path, 2) == {0: [], 1: [3.0], 2: [3.0]}


def test_one_long_video_does_not_want_endlessly_many(tmp_path: Path) -> None:
    commit_video(tmp_path, "a.mp4", {"segments": many_actions(2000, 20, 36_000.0)}, duration_s=36_000.0)
    instants = wanted(tmp_path, 10_000)[0]
    assert len(instants) == MOST_A_VIDEO == len(set(instants))


def test_span_beyond_the_end_of_its_video_is_looked_at_where_the_video_is(tmp_path: Path) -> None:
    commit_video(tmp_path, "a.mp4", {"segments": [action(54, 90, "x", 0.9), action(70, 80, "y", 0.8)]})
    assert wanted(tmp_path) == {0: [57.0, 55.0, 59.0]}


# Boxes


def test_boxes_around_pictures_come_first_then_those_of_the_surest(tmp_path: Path) -> None:
    persons = [person(track, float(time_s), BOX) for track in (1, 2) for time_s in range(50)]
    tubes = [tube(1, 0, 50, "walk", 0.5), tube(2, 30, 40, "run", 0.9)]
    commit_video(tmp_path, "a.mp4", {"persons": persons, "tubes": tubes})
    rows = read_rows(tmp_path)
    assert len(chosen_boxes(rows, 0, np.array([5.0]), 100)) == len(rows.key_boxes.time_s_K) == 61
    chosen = chosen_boxes(rows, 0, np.array([5.0]), 14)
    at = list(zip(rows.key_boxes.track_K[chosen], rows.key_boxes.time_s_K[chosen], strict=True))
    assert at == [(1, 4), (1, 5), (1, 6), *((2, time_s) for time_s in range(30, 41))]
    assert len(chosen_boxes(rows, 0, np.array([]), 5)) == 5
