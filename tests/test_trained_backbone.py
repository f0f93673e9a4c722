"""Files of trained backbones: they come back as they were, and nothing else is taken for one."""

from pathlib import Path

import pytest
import torch

from detectors import backbones
from detectors.backbones.trained import (
    FORM,
    TrainedBackbone,
    is_trained_backbone,
    load_trained_backbone,
    save_trained_backbone,
)
from detectors.errors import WeightsError
from detectors.model_file import load_model, save_model

pytestmark = pytest.mark.usefixtures("one_thread")

DESIGN = {"image_network": "toy", "clip_frames": 3}
NAMES = ("open", "close")


def trained() -> TrainedBackbone:
    torch.manual_seed(3)
    network = backbones.create("single_frame", class_names=NAMES, **DESIGN)
    return TrainedBackbone(
        name="single_frame",
        design=DESIGN,
        class_names=NAMES,
        frames={"rate": 12.5, "short_side": 32, "fit": "keep"},
        provenance={"accuracy": 0.5},
        state=network.state_dict(),
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    save_trained_backbone(trained(), tmp_path / "mine.pt")
    return tmp_path / "mine.pt"


def test_a_trained_backbone_comes_back_as_it_was(file: Path) -> None:
    before, after = trained(), load_trained_backbone(file)
    for name in ("name", "design", "class_names", "frames", "provenance"):
        assert getattr(after, name) == getattr(before, name)
    assert after.state.keys() == before.state.keys()
    assert all(torch.equal(after.state[key], tensor) for key, tensor in before.state.items())
    assert list(file.parent.iterdir()) == [file]


def test_a_backbone_is_loaded_with_its_own_classes_and_design(file: Path) -> None:
    network = backbones.load("single_frame", file)
    assert network.contract.class_names == NAMES and network.contract.clip_frames == 3
    assert torch.equal(network.state_dict()["head.weight"], trained().state["head.weight"])
    with pytest.raises(WeightsError, match=r"holds single_frame, not early_fusion$"):
        backbones.load("early_fusion", file)


def test_only_files_of_this_kind_are_taken_for_one(file: Path, tmp_path: Path) -> None:
    about, state = load_model(file, FORM, "backbone")
    save_model(tmp_path / "detector.pt", "untrimmed detector 1", about, state)
    save_model(tmp_path / "bare.pt", FORM, {}, state)
    torch.save(state, tmp_path / "state.pt")
    (tmp_path / "text.pt").write_text("this is no backbone")
    (tmp_path / "cut.pt").write_bytes(file.read_bytes()[:-200])
    others = ("detector", "state", "text", "cut", "missing")
    assert [name for name in others if is_trained_backbone(tmp_path / f"{name}.pt")] == []
    assert is_trained_backbone(file)
    for name in (*others, "bare"):
        with pytest.raises(WeightsError) as caught:
            load_trained_backbone(tmp_path / f"{name}.pt")
        assert str(caught.value).startswith(f"{tmp_path / name}.pt") and "\n" not in str(caught.value)
