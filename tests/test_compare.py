"""One budget for all: what it comes to for each network, and when two trainings are the same."""

from fractions import Fraction

import pytest

from detectors.backbones import FAMILIES
from pipeline.config import ConfigError
from pipeline.records import Video
from training.clips import Action, ClipSplits
from training.compare import BUDGET, SHAPES_BUDGET, SUITED, config_of, settings_hash, trainable

VIDEO = Video("one.mp4", "/v/one.mp4", "f", 100.0, None, Fraction(25), 64, 64, "h264", 0, Fraction(0))
ACTION = Action("one", VIDEO, 0.0, 2.0, 0)
SPLITS = ClipSplits((ACTION,), (ACTION,), ("left", "right"))


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_can_be_trained_by_the_budget(name: str) -> None:
    config = trainable(config_of(name, [*BUDGET, *SHAPES_BUDGET, *SUITED.get(name, ())]))
    assert (config.backbone.name, config.backbone.weights) == (name, "random")
    assert (config.frames.short_side, config.training.clips.batch) == (64, 8)


def test_a_network_is_told_only_what_its_design_leaves_open() -> None:
    wanted = ["backbone.design.flow=raft_small", "backbone.design.image_network=toy"]
    assert config_of("single_frame", wanted).backbone.design.given == {"image_network": "toy"}
    assert config_of("i3d", wanted).backbone.design.given == {}


def test_a_setting_that_no_design_has_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"backbone\.design\.depth"):
        config_of("single_frame", ["backbone.design.depth=3"])


def test_trainings_are_the_same_if_all_that_matters_is() -> None:
    def by(*overrides: str, splits: ClipSplits = SPLITS) -> str:
        return settings_hash(config_of("single_frame", [*BUDGET, *overrides]), splits)

    same = by("engine.device=cpu", "training.clips.memory_gb=1")
    assert by() == same
    shorter = ClipSplits((Action("one", VIDEO, 0.0, 1.5, 0),), (ACTION,), ("left", "right"))
    others = [by("training.seed=1"), by("backbone.design.image_network=toy"), by(splits=shorter)]
    assert len({by(), *others}) == 4
