"""Features made elsewhere: where in time they stand, and which files are refused."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import ConfigError
from pipeline.training_settings import FeatureFolderSettings
from training.feature_folder import FeatureFile, features_in_folder
from training.videos import AnnotatedVideo, lesson_of


def settings(folder: Path, **changes: Any) -> FeatureFolderSettings:
    return FeatureFolderSettings(**{"folder": str(folder), "fps": 30.0, "stride": 4.0, **changes})


def saved(folder: Path, array: np.ndarray, name: str = "v") -> Path:
    np.save(folder / f"{name}.npy", array)
    return folder


def lesson(folder: Path, spans: list[list[float]], **changes: Any) -> tuple[np.ndarray, np.ndarray]:
    """What is learned of a video: which steps are shown, and its actions in steps."""
    file = features_in_folder(settings(folder, **changes), ["v"], [None])["v"]
    video = AnnotatedVideo("v", file.blocks, file.duration_s, (), np.array(spans), np.zeros(len(spans), np.int64))
    whole = lesson_of(video)
    return whole.shown_S, whole.spans_G2


def test_without_an_offset_the_first_feature_covers_the_first_stride(tmp_path: Path) -> None:
    shown_S, spans_G2 = lesson(saved(tmp_path, np.ones((20, 3), np.float32)), [[0.0, 4 / 30], [8 / 30, 20 / 30]])
    assert shown_S.all() and len(shown_S) == 20
    np.testing.assert_allclose(spans_G2, [[0, 1], [2, 5]])


def test_a_feature_stands_at_the_middle_of_its_window(tmp_path: Path) -> None:
    """ActionFormer's THUMOS features: windows of 16 frames every 4; step j's middle is at (8 + 4 j) / 30."""
    folder = saved(tmp_path, np.ones((20, 3), np.float32))
    middle_of_step_3_s = (8 + 4 * 3) / 30
    shown_S, spans_G2 = lesson(folder, [[middle_of_step_3_s - 2 / 30, middle_of_step_3_s + 2 / 30]], offset=8.0)
    first = int(np.argmax(shown_S))
    np.testing.assert_allclose(spans_G2[0] - first, [3, 4], atol=1e-9)
    assert shown_S.sum() == 20 and not shown_S[:first].any()


@given(st.floats(0, 40), st.floats(0.5, 16), st.floats(1, 60))
def test_seconds_and_steps_agree_whatever_the_offset(offset: float, stride: float, fps: float) -> None:
    options = FeatureFolderSettings(folder="x", fps=fps, stride=stride, offset=offset)
    file = FeatureFile(Path("x/v.npy"), options)
    middle_s = file.start_s + 7.5 * file.step_s
    assert middle_s == pytest.approx((offset + 7 * stride) / fps)


def test_channels_may_come_first(tmp_path: Path) -> None:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    file = FeatureFile(saved(tmp_path, array) / "v.npy", settings(tmp_path, channels_first=True))
    np.testing.assert_array_equal(file.read(), array.T)
    assert [len(block) for block in file] == [4] == [len(block) for block in file]  # again and again


def test_a_video_ends_where_annotations_say_or_else_with_its_features(tmp_path: Path) -> None:
    saved(tmp_path, np.ones((30, 3), np.float16), "a")
    saved(tmp_path, np.ones((30, 3), np.float16), "b")
    found = features_in_folder(settings(tmp_path), ["a", "b", "absent"], [3.5, None, 9.0])
    assert found.keys() == {"a", "b"}
    assert found["a"].duration_s == 3.5 and found["b"].duration_s == pytest.approx(30 * 4 / 30)


def refused(folder: Path, names: list[str] | None = None, **changes: Any) -> str:
    names = names or ["v"]
    with pytest.raises(ConfigError) as caught:
        features_in_folder(settings(folder, **changes), names, [None] * len(names))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 3, 2), np.float32),
        np.zeros(4, np.float32),
        np.float32(3.0),
        np.zeros((0, 3), np.float32),
        np.zeros((4, 0), np.float32),
        np.zeros((4, 3), np.int64),
        np.zeros((4, 3), complex),
        np.full((4, 3), "a"),
        np.full((4, 3), np.nan, np.float32),
        np.full((4, 3), np.inf, np.float16),
        np.full((4, 3), 1e300),
        np.full((4, 3), 1e5, np.float32),
        np.array([{"a": 1}], dtype=object),
    ],
    ids=lambda array: f"{np.shape(array)} of {np.asarray(array).dtype}",
)
def test_arrays_that_are_no_features_are_refused_in_one_line_naming_the_file(array: np.ndarray, tmp_path: Path) -> None:
    with (tmp_path / "v.npy").open("wb") as stream:
        np.save(stream, array, allow_pickle=True)
    assert str(tmp_path / "v.npy") in refused(tmp_path)


def test_files_that_are_no_arrays_are_refused_in_one_line_naming_the_file(tmp_path: Path) -> None:
    whole = saved(tmp_path, np.ones((50, 8), np.float32)).joinpath("v.npy").read_bytes()
    with (tmp_path / "archive").open("wb") as stream:
        np.savez(stream, x=np.zeros((4, 3)))
    contents = {
        "empty": b"",
        "text": b"hello",
        "zip": b"PK\x03\x04 and no more",
        "archive": (tmp_path / "archive").read_bytes(),
        "pickle": pickle.dumps([1.0]),
        "cut in its data": whole[:-40],
        "cut in its header": whole[:30],
        "enormous": whole.replace(b"(50, 8)", b"(50000000000000, 8)")[:200],
    }
    for what, content in contents.items():
        (tmp_path / "v.npy").write_bytes(content)
        assert str(tmp_path / "v.npy") in refused(tmp_path), what


def test_a_folder_that_is_none_is_refused_by_field(tmp_path: Path) -> None:
    assert refused(tmp_path / "absent").startswith("training.features.folder: ")


def test_a_file_with_other_channels_than_the_rest_is_named(tmp_path: Path) -> None:
    for name, channels in (("a", 3), ("b", 5), ("c", 3)):
        saved(tmp_path, np.ones((4, channels), np.float32), name)
    assert refused(tmp_path, ["a", "b", "c"]) == f"{tmp_path / 'b.npy'} has 5 channels, others have 3"
