"""Claims about overlays: whose box is where at which instant, what is written beside it, and the strip below."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from annotations.errors import AnnotationError
from pipeline.records import Video
from pipeline.tables import TABLES, table_of, write_part
from reports.overlay.overlay import Overlay
from reports.overlay.people import MovingBoxes
from reports.overlay.places import CALM_S, HIDDEN, Places
from reports.overlay.rows import Action, Found, find_part, read_found
from reports.overlay.strip import TimelineStrip, span_colour
from reports.overlay.tiles import Tile, outline, shortened, tag, text_width, track_colour

VIDEO = Video("a.mp4", "/v/a.mp4", "f", 10.0, None, Fraction(25), 640, 360, "h264", 0, Fraction(0))
BOX = (0.25, 0.25, 0.5, 0.75)

Rows = Sequence[Mapping[str, Any]]


def person(
    time_s: float, track: int = 1, box: Sequence[float] = BOX, label: str | None = None, score: float | None = None
) -> dict[str, Any]:
    corners = dict(zip(("x1", "y1", "x2", "y2"), box, strict=True))
    labelled = {"label": label, "label_id": None if label is None else 1, "score": score}
    return {"video": "a.mp4", "time_s": time_s, "track_id": track, **corners, "person_score": 0.5, **labelled}


def action(start_s: float, stop_s: float, label: str, score: float = 0.5) -> dict[str, Any]:
    return {"video": "a.mp4", "start_s": start_s, "stop_s": stop_s, "label": label, "label_id": 1, "score": score}


def commit(
    folder: Path,
    video: str = "a.mp4",
    uri: str = "/v/a.mp4",
    part: str = "p",
    fingerprint: str = "f",
    **tables: Rows,
) -> Path:
    """Tables of one video, `videos` last; those not given are not there."""
    rows = {**tables, "videos": [{"video": video, "uri": uri, "status": "ok", "fingerprint": fingerprint}]}
    for name, content in rows.items():
        target = folder / name / f"{part}.parquet"
        write_part([table_of(name, content)], TABLES[name], target, folder / "_temp", {"result_key": "k"})
    return folder


def found(folder: Path, *, min_score: float = 0.0, **tables: Rows) -> Found:
    return read_found(commit(folder, **tables), "p", "a.mp4", min_score=min_score)


# Rows


def test_labels_of_a_key_box_are_one_box_with_the_best_first(tmp_path: Path) -> None:
    rows = [
        person(2.0, label="sit", score=0.25),
        person(1.0, track=7),
        person(2.0, label="talk", score=0.75),
        person(1.0, label="stand", score=0.5),
    ]
    people = found(tmp_path, persons=rows, segments=[]).people
    assert (people.tracks_K.tolist(), people.times_K.tolist()) == ([1, 1, 7], [1.0, 2.0, 1.0])
    assert [people.labels(key, 9) for key in range(3)] == [[("stand", 0.5)], [("talk", 0.75), ("sit", 0.25)], []]
    assert people.labels(1, 1) == [("talk", 0.75)]


def test_unsure_actions_are_left_out_but_people_stay(tmp_path: Path) -> None:
    rows = [
        person(1.0, label="sit", score=0.25),
        person(1.0, label="talk", score=0.75),
        person(1.0, 2, label="x", score=0),
    ]
    read = found(tmp_path, min_score=0.5, persons=rows, segments=[action(0, 1, "a", 0.4), action(0, 1, "b", 0.5)])
    assert read.people.labels(0, 9) == [("talk", 0.75)] and read.people.labels(1, 9) == []
    assert [one.label for one in read.actions] == ["b"]


def test_run_that_looked_for_no_people_has_none(tmp_path: Path) -> None:
    read = found(tmp_path, segments=[action(1.0, 2.0, "a")])
    assert len(read.people) == 0 and read.actions == (Action(1.0, 2.0, "a", 0.5),)
    assert len(MovingBoxes(read.people).at(1.0).tracks_N) == 0


def test_part_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    commit(tmp_path, segments=[])
    (tmp_path / "segments" / "p.parquet").write_bytes(b"x")
    with pytest.raises(AnnotationError, match=r"p\.parquet: cannot be read.*run that video again$"):
        read_found(tmp_path, "p", "a.mp4", min_score=0)


def test_video_is_found_by_its_address_then_by_its_name(tmp_path: Path) -> None:
    commit(tmp_path, "cam1/a.mp4", "/old/cam1/a.mp4", "p1")
    commit(tmp_path, "cam2/a.mp4", "/v/a.mp4", "p2")
    commit(tmp_path, "b.mp4", "/old/b.mp4", "p3")
    assert find_part(tmp_path, VIDEO)[0] == "p2"
    assert find_part(tmp_path, replace(VIDEO, uri="file:///v/a.mp4"))[0] == "p2"
    assert find_part(tmp_path, replace(VIDEO, uri="/new/cam1/a.mp4"))[0] == "p1"
    assert find_part(tmp_path, replace(VIDEO, uri="/new/b.mkv", key="b.mkv"))[0] == "p3"


def test_link_to_the_video_is_the_video(tmp_path: Path) -> None:
    (tmp_path / "real.mp4").touch()
    (tmp_path / "link.mp4").symlink_to(tmp_path / "real.mp4")
    commit(tmp_path / "out", "real.mp4", str(tmp_path / "real.mp4"))
    assert find_part(tmp_path / "out", replace(VIDEO, uri=str(tmp_path / "link.mp4"), key="link.mp4"))[0] == "p"


def test_video_that_fits_none_or_several_is_refused_in_one_line(tmp_path: Path) -> None:
    commit(tmp_path, "cam1/a.mp4", "/old/cam1/a.mp4", "p1")
    commit(tmp_path, "cam2/a.mp4", "/old/cam2/a.mp4", "p2")
    with pytest.raises(AnnotationError, match=r"'cam1/a\.mp4' and 'cam2/a\.mp4' both fit /v/a\.mp4; give the very"):
        find_part(tmp_path, VIDEO)
    with pytest.raises(AnnotationError, match=r"holds no rows of /v/c\.mp4; its videos are 'cam1/a\.mp4', 'cam2/a"):
        find_part(tmp_path, replace(VIDEO, uri="/v/c.mp4", key="c.mp4"))
    with pytest.raises(AnnotationError, match="holds no finished video"):
        find_part(tmp_path / "none", VIDEO)


def test_part_without_its_commit_does_not_count(tmp_path: Path) -> None:
    commit(tmp_path, segments=[])
    commit(tmp_path, "c.mp4", "/v/c.mp4", "p2")
    (tmp_path / "videos" / "p.parquet").unlink()
    with pytest.raises(AnnotationError, match=r"its videos are 'c\.mp4'$"):
        find_part(tmp_path, VIDEO)


# People between key frames


def moving(folder: Path, rows: Rows) -> MovingBoxes:
    return MovingBoxes(found(folder, persons=rows, segments=[]).people)


def test_box_moves_on_a_straight_line_and_is_held_half_a_period_beyond_its_ends(tmp_path: Path) -> None:
    boxes = moving(tmp_path, [person(1.0, box=(0.0, 0.0, 0.2, 0.4)), person(2.0, box=(0.4, 0.0, 0.6, 0.8))])
    np.testing.assert_allclose(boxes.at(1.25).boxes_N4, [[0.1, 0.0, 0.3, 0.5]], atol=1e-6)
    for time_s, expected in ((0.5, [0.0, 0.0, 0.2, 0.4]), (2.49, [0.4, 0.0, 0.6, 0.8])):
        np.testing.assert_allclose(boxes.at(time_s).boxes_N4, [expected], atol=1e-6)
    assert [len(boxes.at(time_s).tracks_N) for time_s in (0.49, 2.5)] == [0, 0]


def test_labels_are_those_of_the_nearest_key_frame(tmp_path: Path) -> None:
    boxes = moving(tmp_path, [person(1.0, label="sit", score=0.5), person(2.0, label="talk", score=0.5)])
    nearest = [boxes.people.labels(int(boxes.at(time_s).keys_N[0]), 1)[0][0] for time_s in (0.6, 1.45, 1.55, 2.4)]
    assert nearest == ["sit", "sit", "talk", "talk"]


@pytest.mark.parametrize("period_s", [0.2, 1.0, 3.0])
def test_one_missed_key_frame_is_bridged_and_two_are_not(tmp_path: Path, period_s: float) -> None:
    others = [person(number * period_s, track=2) for number in range(10)]
    boxes = moving(tmp_path, [*others, *(person(number * period_s) for number in (0, 2, 5))])
    seen = [1 in boxes.at(key * period_s).tracks_N for key in (0, 0.7, 1.3, 2.4, 2.6, 4.4, 4.6, 5.4, 5.6)]
    assert seen == [True, True, True, True, False, False, True, True, False]


def test_only_boxes_of_one_track_are_joined(tmp_path: Path) -> None:
    boxes = moving(tmp_path, [person(0.0, 1), person(1.0, 1), person(1.0, 2), person(2.0, 2), person(1.0, 3)])
    assert [boxes.at(time_s).tracks_N.tolist() for time_s in (0.2, 0.9, 1.2, 1.9)] == [[1], [1, 2, 3], [1, 2, 3], [2]]


# Drawing


def test_colours_of_near_tracks_are_far_apart_and_equally_light() -> None:
    colours = np.array([track_colour(track) for track in range(40)]).astype(float)
    for step in (1, 2, 3, 4):
        assert np.abs(colours[step:] - colours[:-step]).max(axis=1).min() > 40
    lightness = colours @ (0.2126, 0.7152, 0.0722)
    assert lightness.min() > 140 and lightness.max() < 200
    assert len({track_colour(track) for track in range(40)}) == 40


def test_outline_frames_the_box_and_is_cut_at_the_border() -> None:
    picture = np.full((40, 60, 3), 100, np.uint8)
    outline(picture, (10, 5, 70, 35), 2, (250, 0, 0))
    red = (picture == (250, 0, 0)).all(axis=2)
    assert red[5:35, 10:12].all() and red[5:7, 10:].all() and red[33:35, 10:].all() and not red[7:33, 12:58].any()
    assert (picture[4, 10:] == 50).all() and (picture[:3] == 100).all()


@pytest.mark.parametrize("box", [(5, 5, 5, 5), (5, 5, 6, 30), (0, 0, 1, 1), (60, 40, 60, 40)])
def test_smallest_boxes_can_be_framed(box: tuple[int, int, int, int]) -> None:
    outline(np.zeros((40, 60, 3), np.uint8), box, 3, (1, 2, 3))


def test_tile_is_laid_with_its_opacity_and_cut_at_the_border() -> None:
    tile = Tile.of(Image.new("RGBA", (10, 10), (200, 100, 0, 128)))
    picture = np.full((20, 20, 3), 100, np.uint8)
    tile.lay(picture, 15, -5)
    np.testing.assert_allclose(picture[:5, 15:].reshape(-1, 3), [[150, 100, 49]] * 25, atol=2)
    assert (picture[5:] == 100).all() and (picture[:, :15] == 100).all()
    tile.lay(picture, 30, 0)


def test_tag_grows_with_its_lines_but_not_beyond_its_width() -> None:
    lines = (("talk to (e.g., self, a person, a group)", "0.83"), ("walk", "0.50"))
    widths, heights = zip(*(tag("7", (9, 9, 9), lines[:count], 14, 200).size for count in range(3)), strict=True)
    assert widths[0] < widths[1] == widths[2] <= 200 and heights[0] == heights[1] == heights[2] / 2


@pytest.mark.parametrize("text", ["walking the dog", "Größe", "бег трусцой", "x"])
def test_text_is_shortened_to_its_room_and_other_letters_have_a_font(text: str) -> None:
    assert shortened(text, 14, 1000) == text
    short = shortened(text * 9, 14, 60)
    assert short.endswith("…") and text_width(short, 14) <= 60


# Places of tags

PICTURE = (200, 100)
boxes = st.tuples(st.integers(0, 199), st.integers(0, 99), st.integers(1, 60), st.integers(1, 60)).map(
    lambda box: (box[0], box[1], min(box[0] + box[2], 200), min(box[1] + box[3], 100))
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(boxes, min_size=8, max_size=8), min_size=1, max_size=4))
def test_tags_never_overlap_nor_leave_the_picture(frames: list[list[tuple[int, int, int, int]]]) -> None:
    places, sizes = Places(*PICTURE), [(50, 24), (40, 12), (14, 12)]
    for number, frame in enumerate(frames):
        covered = np.zeros(PICTURE[::-1], int)
        for place in places(number / 10, range(8), np.array(frame), [sizes] * 8):
            if place.level != HIDDEN:
                (x, y), (width, height) = place.corner, sizes[place.level]
                assert x >= 0 and y >= 0 and x + width <= PICTURE[0] and y + height <= PICTURE[1]
                covered[y : y + height, x : x + width] += 1
        assert covered.max() <= 1


def test_tag_stays_on_its_side_while_it_can() -> None:
    places, sides = Places(200, 100), []
    for number, top in enumerate((10, 6, 10, 30, 40, 95)):
        [place] = places(number / 10, [1], np.array([[50, top, 80, min(top + 30, 100)]]), [[(20, 10)]])
        sides.append(place.corner[1] - top)
    assert sides[0] == -10 and sides[1] >= 0  # above, then there is no room above
    assert sides[1] == sides[2] == sides[3] == sides[4]  # it does not jump back


def test_tag_that_was_shortened_grows_again_only_after_a_while() -> None:
    places, sizes = Places(100, 100), [[(60, 10)], [(60, 10), (10, 10)]]
    near, far = np.array([[0, 50, 100, 100]] * 2), np.array([[0, 50, 100, 100], [0, 20, 100, 40]])
    levels = [
        places(time_s, [1, 2], spots, sizes)[1].level
        for time_s, spots in ((0.0, near), (0.1, far), (CALM_S - 0.1, far), (CALM_S, far))
    ]
    assert levels == [1, 1, 1, 0]


def test_tag_without_room_is_not_shown() -> None:
    [first, second] = Places(20, 10)(0.0, [1, 2], np.array([[0, 0, 20, 10]] * 2), [[(20, 10)]] * 2)
    assert first.level == 0 and second.level == HIDDEN


# The strip


def strip(actions: Sequence[Action], *, width: int = 640, height: int = 360) -> TimelineStrip:
    return TimelineStrip(actions, width=width, picture_height=height, start_s=0.0, stop_s=100.0)


def drawn(strip_: TimelineStrip, time_s: float) -> np.ndarray:
    picture = np.zeros((strip_.height, strip_.width, 3), np.uint8)
    strip_.draw(picture, time_s)
    return picture


def test_spans_lie_where_their_times_are_and_the_surer_ones_are_brighter() -> None:
    lanes = strip([Action(20, 40, "run", 0.9), Action(60, 61, "run", 0.2), Action(30, 50, "hop", 0.5)])
    picture = drawn(lanes, 0.0)
    assert list(lanes.lanes) == ["run", "hop"]
    for lane, time_s, colour in ((0, 30, span_colour(0.9)), (0, 60.5, span_colour(0.2)), (1, 49, span_colour(0.5))):
        assert tuple(picture[round(lanes.lane_middle(lane)), round(lanes.x(time_s))]) == colour
    rail = picture[round(lanes.lane_middle(0)), round(lanes.x(50))]
    assert (picture[round(lanes.lane_middle(1)), round(lanes.x(55))] == rail).all() and rail.max() < 60


def test_position_is_marked_at_its_time() -> None:
    lanes = strip([Action(20, 40, "run", 0.9)])
    for time_s in (0.0, 37.0, 100.0):
        bright = (drawn(lanes, time_s)[2, lanes.left - 3 :].min(axis=1) > 200).nonzero()[0] + lanes.left - 3
        assert len(bright) in (1, 2, 3) and abs(bright.mean() - lanes.x(time_s)) <= 1.5


def test_name_and_score_of_an_action_light_up_while_it_runs() -> None:
    lanes = strip([Action(20, 40, "run", 0.9), Action(60, 70, "hop", 0.9)])
    middles = [round(lanes.lane_middle(lane)) for lane in (0, 1)]
    names = [drawn(lanes, time_s)[:, : lanes.left - 2] for time_s in (10, 30, 65)]
    light = [[int(one[middle - 5 : middle + 5].max()) for middle in middles] for one in names]
    assert light[0][0] == light[0][1] < light[1][0] and light[1] == light[2][::-1]


def test_best_labels_have_lanes_in_order_of_time_and_the_strip_stays_small() -> None:
    actions = [Action(90 - number, 95, f"a{number}", number / 20) for number in range(20)]
    assert list(strip(actions).lanes) == [f"a{number}" for number in (19, 18, 17, 16, 15, 14)]
    for width, height in ((160, 120), (1920, 1080), (270, 480), (640, 100)):
        small = strip(actions, width=width, height=height)
        assert small.height % 2 == 0 and small.height <= max(0.5 * height, 40) and small.left < width / 2
        assert drawn(small, 50.0).shape == (small.height, width, 3)


@pytest.mark.parametrize(("actions", "stop_s"), [([], 100.0), ([], 0.0), ([Action(3, 4, "x", 1.0)], 0.01)])
def test_video_without_actions_or_length_has_a_strip(actions: list[Action], stop_s: float) -> None:
    lanes = TimelineStrip(actions, width=320, picture_height=240, start_s=0.0, stop_s=stop_s)
    assert not lanes.lanes and drawn(lanes, 0.0).max() > 200


# All of it


def test_person_is_drawn_in_the_colour_of_the_track_with_what_it_does(tmp_path: Path) -> None:
    rows = [person(1.0, 5, label="walk", score=0.8), person(1.0, 6, (0.7, 0.4, 0.9, 0.9))]
    overlay = Overlay(found(tmp_path, persons=rows, segments=[]), width=400, height=200, start_s=0, stop_s=10)
    canvas = np.full((200 + overlay.strip.height, 400, 3), 90, np.uint8)
    overlay(canvas, 1.0)
    assert tuple(canvas[100, 100]) == tuple(canvas[149, 150]) == track_colour(5)
    assert tuple(canvas[120, 280]) == track_colour(6)
    assert (canvas[100, 150] == 90).all()
    above = canvas[30:48, 100:160]
    assert (above == track_colour(5)).all(axis=2).any() and (above.min(axis=2) > 200).any()
    canvas[:200] = 90
    overlay(canvas, 5.0)
    assert (canvas[:200] == 90).all()


def test_hundreds_of_people_and_boxes_beyond_the_border_are_drawn(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    corners = rng.random((300, 2))
    rows = [person(1.0, track, (x, y, x + 0.1, y + 0.2), "walk", 0.5) for track, (x, y) in enumerate(corners)]
    rows += [person(1.0, 900, (-0.2, -0.2, 1.2, 1.2)), person(1.0, 901, (1.0, 0.5, 1.0, 0.5))]
    overlay = Overlay(found(tmp_path, persons=rows, segments=[]), width=320, height=240, start_s=0, stop_s=2)
    canvas = np.zeros((240 + overlay.strip.height, 320, 3), np.uint8)
    overlay(canvas, 1.0)
    assert (canvas[:240].max(axis=2) > 0).mean() > 0.3
