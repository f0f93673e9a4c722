"""Detector files, and configs that they complete."""

import io
import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from feature_videos import ANCHOR_FREE, RCNN, anchor_free, rcnn

from detectors.errors import WeightsError
from detectors.temporal.trained import Trained, TrainedOn, load_trained, save_trained
from pipeline.config import ConfigError, load_config
from pipeline.localizer_settings import LocalizerSettings
from pipeline.settings import Config
from stages.localize import Localize
from stages.trained import check_backbone, completed, trained_of

pytestmark = pytest.mark.usefixtures("one_thread")

NETWORK = {**ANCHOR_FREE, "kernel": 3}
OWN = {name: value for name, value in NETWORK.items() if name not in ("in_channels", "num_classes")}
LOCALIZER = LocalizerSettings.model_validate(
    {
        "name": "anchor_free",
        "anchor_free": {"min_score": 0.01, "core_steps": 64, "network": OWN},
        "nms": {"method": "gaussian", "max_detections": 33},
    }
)


def trained(**changes: Any) -> Trained:
    detector = Trained(
        name="anchor_free",
        design=ANCHOR_FREE,
        class_names=("one", "two", "three"),
        localizer=LOCALIZER.model_dump(mode="json", include={"anchor_free", "nms"}),
        features=TrainedOn(
            step_s=0.32,
            channels=8,
            backbone_digest="abc",
            frames={"rate": 25.0, "short_side": 128, "fit": "keep"},
            backbone={"name": "i3d", "weights": "i3d_kinetics400", "precision": "auto"},
        ),
        provenance={"average_map": 0.5, "annotations": "actions.json"},
        state=anchor_free(5).state_dict(),
    )
    return replace(detector, **changes)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("detectors") / "model.pt"
    save_trained(trained(), path)
    return path


# The file.


def test_a_detector_comes_back_as_it_was(file: Path) -> None:
    before, after = trained(), load_trained(file)
    for name in ("name", "design", "class_names", "localizer", "provenance"):
        assert getattr(after, name) == getattr(before, name)
    assert after.features.frames == before.features.frames and after.features.backbone_digest == "abc"
    x_1CS = torch.rand(1, 8, 40)
    with torch.inference_mode():
        for one, other in zip(after.network().eval()(x_1CS), anchor_free(5)(x_1CS), strict=True):
            assert (one is None and other is None) or torch.equal(one, other)
    assert list(file.parent.iterdir()) == [file]


def test_a_two_stage_detector_comes_back_as_well(tmp_path: Path) -> None:
    save_trained(trained(name="temporal_rcnn", design=RCNN, state=rcnn().state_dict()), tmp_path / "model.pt")
    network = load_trained(tmp_path / "model.pt").network()
    assert network.scales == RCNN["scales"] and network.stream_channels == RCNN["stream_channels"]


def refused(path: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        load_trained(path).network()
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("part", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused_in_one_line(file: Path, tmp_path: Path, part: float) -> None:
    whole = file.read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[: int(part * len(whole))])
    assert "cut.pt" in refused(tmp_path / "cut.pt")


def test_a_damaged_file_is_refused_or_says_the_same(file: Path, tmp_path: Path) -> None:
    whole, before, told = file.read_bytes(), trained(), 0
    path = tmp_path / "damaged.pt"
    for position in np.random.default_rng(0).integers(0, len(whole), 150).tolist():
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :])
        try:
            after = load_trained(path)
        except WeightsError as error:
            assert "\n" not in str(error)
            told += 1
            continue
        assert after.class_names == before.class_names and after.design == before.design
        assert all(torch.equal(after.state[key], tensor) for key, tensor in before.state.items())
    assert told > 75  # the rest is padding


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


def test_code_in_a_file_is_never_run(tmp_path: Path) -> None:
    went_off = tmp_path / "went off"
    (tmp_path / "pickle.pt").write_bytes(pickle.dumps(Bomb(went_off)))
    torch.save({"format": "untrimmed detector 1", "about": Bomb(went_off), "state": {}}, tmp_path / "torch.pt")
    for name in ("pickle.pt", "torch.pt"):
        assert name in refused(tmp_path / name)
    assert not went_off.exists()


FOREIGN: dict[str, Any] = {
    "state dict": {"weight": torch.zeros(3)},
    "list": [1, 2],
    "tensor": torch.zeros(3),
    "number": 7,
    "other version": {"format": "untrimmed detector 99", "about": "{}", "state": {}},
    "no text": {"format": "untrimmed detector 1", "state": {}},
    "not json": {"format": "untrimmed detector 1", "about": "{", "state": {}},
    "empty": {"format": "untrimmed detector 1", "about": "{}", "state": {}},
    "a list for a text": {"format": "untrimmed detector 1", "about": "[]", "state": {}},
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_file_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    torch.save(FOREIGN[name], tmp_path / "foreign.pt")
    assert "foreign.pt" in refused(tmp_path / "foreign.pt")


def test_what_is_no_file_of_torch_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_text("hello\n")
    with (tmp_path / "numpy.pt").open("wb") as stream:
        np.savez(stream, x=np.zeros(3))
    (tmp_path / "folder.pt").mkdir()
    buffer = io.BytesIO()
    torch.save({"weight": torch.zeros(3)}, buffer, _use_new_zipfile_serialization=False)
    (tmp_path / "old.pt").write_bytes(buffer.getvalue())
    for name in ("text.pt", "numpy.pt", "folder.pt", "old.pt", "missing.pt"):
        assert name in refused(tmp_path / name)


def test_weights_that_do_not_fit_their_design_are_refused_in_one_line(tmp_path: Path) -> None:
    for number, changes in enumerate(
        (
            {"design": ANCHOR_FREE | {"channels": 16}},
            {"design": {"in_channels": 8}},
            {"design": ANCHOR_FREE | {"surprise": 1}},
            {"state": {}},
            {"name": "temporal_rcnn"},
            {"name": "of tomorrow"},
        )
    ):
        save_trained(trained(**changes), tmp_path / f"{number}.pt")
        refused(tmp_path / f"{number}.pt")


# The config.


def config_of(file: Path, *overrides: str, name: str = "kinetics400") -> Config:
    config = load_config(name, [f"localizer.weights={file}", *overrides])
    return completed(config, trained_of(config))


def test_the_file_alone_gives_frames_backbone_and_settings(file: Path) -> None:
    config = config_of(file)
    assert config.frames.sampled == (25.0, 128, "keep")
    assert (config.backbone.name, config.backbone.weights) == ("i3d", "i3d_kinetics400")
    assert config.localizer == LOCALIZER.model_copy(update={"weights": str(file.resolve())})
    assert completed(config, trained_of(config)) == config


def test_what_is_asked_for_in_the_same_words_is_no_conflict(file: Path) -> None:
    same = ("frames.rate=25", "frames.short_side=128", "frames.fit=keep", "backbone.name=i3d")
    network = ("localizer.name=anchor_free", "localizer.anchor_free.network.channels=8")
    assert config_of(file, *same, *network) == config_of(file)
    assert config_of(file, "frames.rate=auto", "localizer.anchor_free.network.levels=auto") == config_of(file)


def test_what_may_differ_from_training_differs(file: Path) -> None:
    config = config_of(
        file,
        "localizer.nms.method=hard",
        "localizer.anchor_free.min_score=0.2",
        "backbone.precision=bfloat16",
        "segments.length_s=30",
        "output.features=true",
    )
    assert config.localizer.nms.method == "hard" and config.localizer.nms.max_detections == 33
    assert config.localizer.anchor_free.min_score == 0.2 and config.localizer.anchor_free.core_steps == 64
    assert config.backbone.precision == "bfloat16"
    assert config.segments.length_s == 30 and config.output.features


@pytest.mark.parametrize(
    ("override", "field"),
    [
        ("frames.rate=12.5", "frames.rate"),
        ("frames.short_side=224", "frames.short_side"),
        ("frames.fit=crop", "frames.fit"),
        ("backbone.name=s3d", "backbone.name"),
        ("localizer.name=temporal_rcnn", "localizer.name"),
        ("localizer.name=training_free", "localizer.name"),
        ("localizer.anchor_free.network.channels=16", "localizer.anchor_free.network.channels"),
        ("localizer.anchor_free.network.levels=3", "localizer.anchor_free.network.levels"),
    ],
)
def test_what_the_detector_was_not_made_for_is_refused_by_name(file: Path, override: str, field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config_of(file, override)
    assert str(caught.value).startswith(f"{field}: ") and "\n" not in str(caught.value)


def test_settings_that_contradict_those_of_the_file_are_refused_by_name(tmp_path: Path) -> None:
    localizer = LOCALIZER.model_dump(mode="json", include={"anchor_free", "nms"})
    localizer["nms"] |= {"class_wise": False, "vote_iou": 0.5}
    save_trained(trained(localizer=localizer), tmp_path / "votes.pt")
    assert config_of(tmp_path / "votes.pt").localizer.nms.vote_iou == 0.5
    with pytest.raises(ConfigError, match=r"^localizer\.nms\.vote_iou: "):
        config_of(tmp_path / "votes.pt", "localizer.nms.class_wise=true")


def test_settings_that_this_version_does_not_know_are_refused_by_name(tmp_path: Path) -> None:
    localizer = LOCALIZER.model_dump(mode="json", include={"anchor_free", "nms"})
    localizer["nms"] |= {"of_tomorrow": 1}
    save_trained(trained(localizer=localizer), tmp_path / "tomorrow.pt")
    with pytest.raises(ConfigError, match=r"^localizer\.nms\.of_tomorrow: "):
        config_of(tmp_path / "tomorrow.pt")


def test_two_stage_scales_come_from_the_file_and_may_be_repeated(tmp_path: Path) -> None:
    own = {name: value for name, value in RCNN.items() if name != "num_classes"}
    settings = LocalizerSettings.model_validate({"name": "temporal_rcnn", "temporal_rcnn": {"network": own}})
    localizer = settings.model_dump(mode="json", include={"temporal_rcnn", "nms"})
    detector = trained(name="temporal_rcnn", design=RCNN, localizer=localizer, state=rcnn().state_dict())
    save_trained(detector, tmp_path / "two.pt")
    field = "localizer.temporal_rcnn.network.scales"
    config = config_of(tmp_path / "two.pt", f"{field}=[4, 6, 10]")
    assert config.localizer.temporal_rcnn.network.scales == (4, 6, 10)
    with pytest.raises(ConfigError, match=rf"^{field}: "):
        config_of(tmp_path / "two.pt", f"{field}=[4, 6]")


def test_a_file_that_is_none_is_refused_by_field(tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(ConfigError, match=r"^localizer\.weights: .*text\.pt"):
        config_of(tmp_path / "text.pt")


def test_without_a_file_auto_is_training_free() -> None:
    assert completed(load_config("kinetics400"), None).localizer.name == "training_free"


def test_another_backbone_or_none_is_refused() -> None:
    features = trained().features
    check_backbone(features, "abc")
    with pytest.raises(ConfigError, match=r"^backbone\.weights: .* abc, these have xyz"):
        check_backbone(features, "xyz")
    with pytest.raises(ConfigError, match=r"^localizer\.weights: .* features made elsewhere"):
        check_backbone(replace(features, backbone_digest=None), "xyz")


def test_the_completed_config_localizes(file: Path) -> None:
    localize = Localize(config_of(file).localizer)
    localize.setup()
    assert len(localize([], 0.0, [])) == 0
