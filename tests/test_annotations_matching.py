"""Names in annotation files against paths of videos."""

import pytest
from annotation_samples import plain, spans_of
from hypothesis import given
from hypothesis import strategies as st

from annotations.errors import AnnotationError
from annotations.matching import NamesOf, match_videos, rename_videos
from pipeline.walk import VIDEO_SUFFIXES


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("a.mp4", "a.mp4"),
        ("sub/a.mp4", "sub/a"),
        ("sub/ut_train_group0_take0.mp4", "ut_train_group0_take0"),
        ("sub/a.MKV", "a.mp4"),
        ("v_QOlSCBRmfWY.mp4", "QOlSCBRmfWY"),
        ("sub/QOlSCBRmfWY.mp4", "v_QOlSCBRmfWY"),
        ("sub/walk.2.mp4", "walk.2"),
        ("sub/a.mp4", "sub\\a.mp4"),
        ("odd{0}.mp4", "odd{0}"),
    ],
)
def test_name_finds_its_key(name: str, key: str) -> None:
    assert match_videos([name, "else/other.mp4"], [key, "another"]) == {name: key}


@pytest.mark.parametrize("suffix", sorted(VIDEO_SUFFIXES))
def test_suffix_of_every_file_that_is_taken_for_a_video_may_be_missing(suffix: str) -> None:
    assert match_videos([f"cam2/day1{suffix}"], ["day1"]) == {f"cam2/day1{suffix}": "day1"}


def test_stricter_rule_goes_first() -> None:
    names = ["a.mp4", "sub/a.mp4", "v_a.mp4"]
    assert match_videos(names, ["v_a", "sub/a", "a"]) == {"a.mp4": "a", "sub/a.mp4": "sub/a", "v_a.mp4": "v_a"}
    assert match_videos(names, ["a"]) == {"a.mp4": "a"}


def test_two_names_for_one_key_are_refused_by_name() -> None:
    with pytest.raises(AnnotationError, match=r"videos 'x/a.mp4' and 'y/a.mp4' both fit the annotated video 'a'"):
        match_videos(["x/a.mp4", "y/a.mp4"], ["a"])
    with pytest.raises(AnnotationError, match=r"videos 'a.mp4' and 'a.avi' both fit the annotated video 'a'"):
        match_videos(["a.mp4", "a.avi"], ["a"])


def test_two_keys_for_one_name_are_refused_by_name() -> None:
    with pytest.raises(AnnotationError, match=r"annotated videos 'x/a' and 'y/a' both fit the video 'a.mp4'"):
        match_videos(["a.mp4"], ["x/a", "y/a"])


def test_same_last_part_is_no_matter_where_paths_tell_them_apart() -> None:
    assert match_videos(["x/1.mp4", "y/1.mp4"], ["y/1", "x/1"]) == {"x/1.mp4": "x/1", "y/1.mp4": "y/1"}


words = st.lists(st.text("ab./v_\\", max_size=6), max_size=6)


@given(words, words)
def test_matches_are_one_to_one_whatever_the_names(names: list[str], keys: list[str]) -> None:
    try:
        matched = match_videos(names, keys)
    except AnnotationError:
        return
    assert set(matched) <= set(names) and set(matched.values()) <= set(keys)
    assert len(set(matched.values())) == len(matched)
    assert (set(names) & set(keys)) <= matched.keys()


def test_renamed_videos_keep_their_spans() -> None:
    found = spans_of([(0, 1, 2, "run"), (1, 3, 4, "run")], ["sub/a.mp4", "b.mp4"], [0.5, 0.25])
    assert plain(rename_videos(found, {"sub/a.mp4": "a"})) == [("a", 1, 2, "run", 0.5), ("b.mp4", 3, 4, "run", 0.25)]


@given(words, st.text("ab./v_\\", max_size=6))
def test_asked_by_one_key_after_another_the_rules_are_the_same(names: list[str], key: str) -> None:
    try:
        expected = {value: name for name, value in match_videos(names, [key]).items()}.get(key)
    except AnnotationError:
        with pytest.raises(AnnotationError, match=r"^boxes.csv: .* both fit the video"):
            NamesOf(names, "boxes.csv")(key)
        return
    assert NamesOf(names, "boxes.csv")(key) == expected


def test_a_key_that_two_names_fit_is_refused() -> None:
    with pytest.raises(AnnotationError, match=r"^boxes.csv: 'x/a' and 'y/a' both fit the video 'z/a.mp4'; write 'z/a"):
        NamesOf(["x/a", "y/a"], "boxes.csv")("z/a.mp4")
