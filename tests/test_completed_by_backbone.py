"""A backbone that was trained here is used by naming its file: name, design, classes and frames come with it."""

import os
from pathlib import Path

import duckdb
import pytest
import torch
from recordings import record
from rich.console import Console

from detectors import backbones
from detectors.backbones.families import flow
from detectors.backbones.trained import TrainedBackbone, save_trained_backbone
from pipeline.config import ConfigError, load_config
from pipeline.detection import detect
from pipeline.progress import Progress
from pipeline.settings import Config
from pipeline.sources import list_sources
from stages.build import build_feature_stages, build_stages, resolve
from training.tuned import _save_backbone

CLASSES = ("lift", "seal", "stack")
DESIGN = {"image_network": "small", "clip_frames": 4}
FRAMES = {"rate": 10.0, "short_side": 48, "fit": "crop"}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trained") / "mine.pt"
    torch.manual_seed(0)
    network = backbones.create("single_frame", class_names=CLASSES, **DESIGN)
    save_trained_backbone(TrainedBackbone("single_frame", DESIGN, CLASSES, FRAMES, {}, network.state_dict()), path)
    return path


def resolved(file: Path, *overrides: str) -> Config:
    return resolve(load_config("kinetics400", [f"backbone.weights={file}", *overrides]))


def test_name_design_and_frames_come_with_the_file(file: Path) -> None:
    config = resolved(file)
    assert config.backbone.name == "single_frame" and config.backbone.design.given == DESIGN
    assert config.frames.sampled == (10.0, 48, "crop")
    assert resolve(config) == config
    assert build_feature_stages(config).step_s == pytest.approx(4 / 10)


def test_frames_may_be_others(file: Path) -> None:
    assert resolved(file, "frames.rate=12.5", "frames.short_side=64").frames.sampled == (12.5, 64, "crop")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("backbone.name=i3d", "backbone.name: the backbone was trained with single_frame, so it cannot be i3d"),
        (
            "backbone.design.clip_frames=8",
            "backbone.design.clip_frames: the backbone was trained with 4, so it cannot be 8",
        ),
    ],
)
def test_another_network_is_refused(file: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        resolved(file, override)
    assert str(refused.value) == message


def test_a_library_that_it_needs_and_that_is_absent_is_told_before_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = backbones.create("two_stream", class_names=CLASSES, **DESIGN)
    file = tmp_path / "flows.pt"
    save_trained_backbone(TrainedBackbone("two_stream", DESIGN, CLASSES, FRAMES, {}, network.state_dict()), file)
    monkeypatch.setattr(flow, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"^backbone\.design: flow dis needs .*uv sync --extra flow"):
        resolved(file)


def test_detect_finds_its_classes(file: Path, tmp_path: Path) -> None:
    recording = record(tmp_path / "one.mp4", frames=60)
    config = load_config("kinetics400", [f"backbone.weights={file}", "localizer.training_free.midpoint=-5"])
    with Path(os.devnull).open("w") as nowhere:
        progress = Progress(Console(file=nowhere))
        detect(
            list_sources([str(recording)]),
            config,
            tmp_path / "out",
            make_stages=build_stages,
            progress=progress,
            engine="local",
        )
    labels = duckdb.sql(f"select distinct label from '{tmp_path}/out/segments/*.parquet'").fetchall()
    assert labels and {label for (label,) in labels} <= set(CLASSES)


def test_fine_tuned_it_stays_a_file_of_its_kind(file: Path, tmp_path: Path) -> None:
    config = resolved(file)
    tuned = backbones.load("single_frame", file)
    with torch.no_grad():
        next(tuned.parameters()).add_(1)
    _save_backbone(config, tuned, tmp_path / "tuned.pt")
    again = backbones.load("single_frame", tmp_path / "tuned.pt")
    assert again.contract.class_names == CLASSES
    torch.testing.assert_close(next(again.parameters()), next(tuned.parameters()))


def test_a_design_that_is_not_possible_is_refused_by_its_field() -> None:
    for override, message in (
        ("backbone.design.image_network=resnet19", "backbone.design: unknown image network 'resnet19'; one of: toy"),
        ("backbone.design.flow=dis", "backbone.design: early_fusion has no setting 'flow'; it has class_names"),
    ):
        with pytest.raises(ConfigError) as refused:
            resolve(load_config("families/early_fusion", ["backbone.weights=random", override]))
        assert str(refused.value).startswith(message) and "\n" not in str(refused.value)


def test_a_design_left_open_leaves_the_names_of_results_as_they_were() -> None:
    """So that what was made before there were designs is still found."""
    config = resolve(load_config("kinetics400", ["backbone.weights=random"]))
    assert config.features_hash("w") == "308099761ae2d3cb"
    assert config.result_hash("w") == "e0235e619a043761"
    other = resolve(load_config("families/early_fusion", ["backbone.weights=random"]))
    design = "backbone.design.image_network=small"
    assert resolve(load_config("families/early_fusion", ["backbone.weights=random", design])).features_hash(
        "w"
    ) != other.features_hash("w")
