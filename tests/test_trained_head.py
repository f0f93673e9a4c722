"""Files of heads that tell what people do, and configs that they complete."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from detectors.errors import WeightsError
from detectors.model_file import load_model, save_model
from detectors.persons.trained_head import BoxFeaturesOf, HeadNetwork, TrainedHead, load_head, save_head
from pipeline.config import ConfigError, load_config
from pipeline.settings import Config
from stages.trained_head import check_head, completed_by_head, head_of

pytestmark = pytest.mark.usefixtures("one_thread")

DESIGN = {"channels": 8, "hidden": 5, "classes": 3, "dropout": 0.5}
FEATURES = BoxFeaturesOf(
    backbone="i3d",
    weights="random",
    backbone_digest="random",
    frames={"rate": 25.0, "short_side": 128, "fit": "keep"},
    window_s=0.5,
    channels=8,
)


def head(**changes: Any) -> TrainedHead:
    torch.manual_seed(0)
    network = HeadNetwork(**DESIGN)
    network.feature_norm.fit(torch.rand(20, 8))
    parts = {"design": DESIGN, "features": FEATURES, "provenance": {"frame_map": 0.5}, "state": network.state_dict()}
    return TrainedHead(class_names=("wave", "jump", "run"), **parts | changes)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    save_head(head(), tmp_path / "head.pt")
    return tmp_path / "head.pt"


# The file.


def test_a_head_comes_back_as_it_was(file: Path) -> None:
    before, after = head(), load_head(file)
    for name in ("class_names", "design", "features", "provenance"):
        assert getattr(after, name) == getattr(before, name)
    features_NC = np.random.default_rng(0).random((7, 8)).astype(np.float16)
    logits_NK = after(features_NC)
    assert logits_NK.shape == (7, 3) and logits_NK.dtype == np.float32
    np.testing.assert_array_equal(logits_NK, before(features_NC))
    assert list(file.parent.iterdir()) == [file]


def test_people_are_judged_each_alone_and_nobody_gives_nothing(file: Path) -> None:
    own = load_head(file)
    features_NC = np.random.default_rng(0).random((40_000, 8)).astype(np.float16)
    np.testing.assert_allclose(own(features_NC)[-1:], own(features_NC[-1:]), atol=1e-6)
    assert own(features_NC[:0]).shape == (0, 3)


def test_a_linear_head_is_one_layer() -> None:
    network = HeadNetwork(channels=8, hidden=0, classes=3)
    assert sum(parameter.numel() for parameter in network.parameters()) == 8 * 3 + 3


def test_what_is_no_head_is_refused_in_one_line(tmp_path: Path, file: Path) -> None:
    state, about = load_head(file).state, load_model(file, "untrimmed head of people 1", "head")[0]
    (tmp_path / "text.pt").write_text("this is no head")
    save_model(tmp_path / "other.pt", "untrimmed detector 1", about, state)
    save_model(tmp_path / "bare.pt", "untrimmed head of people 1", {}, state)
    save_model(tmp_path / "wide.pt", "untrimmed head of people 1", about | {"class_names": ["one"]}, state)
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    (tmp_path / "damaged.pt").write_bytes(damaged)
    for name in ("text", "other", "bare", "wide", "damaged", "missing"):
        with pytest.raises(WeightsError) as caught:
            load_head(tmp_path / f"{name}.pt")
        assert str(caught.value).startswith(f"{tmp_path / name}.pt") and "\n" not in str(caught.value)


# What it fixes.


def config(file: Path, *overrides: str) -> Config:
    return load_config("persons", [f"persons.actions.weights={file}", *overrides])


def test_a_head_brings_backbone_frames_and_window(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    asked_for = config(Path("head.pt"), "persons.rate=2", "backbone.precision=float32")
    completed = completed_by_head(asked_for, head_of(asked_for))
    assert completed.backbone.name == "i3d" and completed.backbone.weights == "random"
    assert completed.frames.sampled == (25.0, 128, "keep") and completed.persons.window_s == 0.5
    assert completed.persons.rate == 2 and completed.backbone.precision == "float32" and completed.persons.is_on
    assert completed.persons.actions.weights == str(file)
    assert completed_by_head(completed, head_of(completed)) == completed


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ("frames.short_side=224", "frames.short_side: the head was trained with 128, so it cannot be 224"),
        ("persons.window_s=1", "persons.window_s: the head was trained with 0.5, so it cannot be 1.0"),
        ("backbone.name=s3d", "backbone.name: the head was trained with i3d, so it cannot be s3d"),
    ],
)
def test_what_contradicts_the_head_is_refused_by_field(file: Path, override: str, text: str) -> None:
    asked_for = config(file, override)
    with pytest.raises(ConfigError, match=f"^{text}$"):
        completed_by_head(asked_for, head_of(asked_for))


def test_other_weights_of_the_backbone_are_refused(file: Path) -> None:
    save_head(replace(head(), features=replace(FEATURES, backbone_digest="abc")), file)
    asked_for = config(file)
    completed = completed_by_head(asked_for, head_of(asked_for))
    with pytest.raises(
        ConfigError, match=r"^backbone\.weights: the head was trained on .* sha256 abc, these have random$"
    ):
        check_head(completed)


def test_a_file_that_is_no_head_is_refused_by_field(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^persons\.actions\.weights: .*none\.pt cannot be read"):
        head_of(config(tmp_path / "none.pt"))


def test_a_head_without_people_is_told_of_unless_they_are_switched_off(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"^persons\.actions\.weights: people are not looked for"):
        head_of(load_config("kinetics400", [f"persons.actions.weights={file}"]))
    assert head_of(config(file, "persons.switch=off")) is None
