"""A network's design: what is left to auto follows from how long actions are."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from detectors.temporal.networks import NETWORKS
from pipeline.localizer_settings import MAX_LEVELS, LocalizerSettings
from training.anchor_free import REACH
from training.design import design_of, scales_of

LENGTHS = np.array([6.0, 7.0, 8.0, 9.0, 30.0])


def design(name: str, lengths: Any = LENGTHS, channels: int = 10, **network: Any) -> dict[str, Any]:
    localizer = LocalizerSettings.model_validate({"name": name, name: {"network": network}})
    return design_of(localizer, channels=channels, num_classes=4, lengths_G=np.asarray(lengths, float))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_design_is_all_that_its_network_needs(name: str) -> None:
    own = design(name, **({} if name == "step_probe" else {"channels": 8}))
    NETWORKS[name](**own)
    assert own["num_classes"] == 4


def test_scales_are_quantiles_as_even_numbers_without_copies() -> None:
    assert scales_of(np.array([10.0] * 19 + [50.0]), 5) == (10,)
    assert scales_of(np.arange(1.0, 101.0), 5) == (10, 30, 50, 70, 90)
    assert scales_of(np.array([0.4, 1.0, 2.9]), 3) == (4,)


@given(st.lists(st.floats(0.01, 5000), min_size=1, max_size=30), st.integers(1, 9))
def test_scales_are_even_sorted_and_within_the_lengths(lengths: list[float], count: int) -> None:
    scales = scales_of(np.array(lengths), count)
    assert 1 <= len(scales) <= count and list(scales) == sorted(set(scales))
    assert all(scale % 2 == 0 and 4 <= scale <= max(4, max(lengths) + 1) for scale in scales)


@given(st.floats(0.01, 8000))
def test_levels_are_just_so_many_that_the_longest_action_fits(longest: float) -> None:
    levels = design("anchor_free", [1.0, longest])["levels"]
    assert longest <= REACH[1] * 2 ** (levels - 1)
    assert levels == 2 or longest > REACH[1] * 2 ** (levels - 2)


def test_levels_are_never_more_than_settings_allow() -> None:
    own = design("anchor_free", [1e9])
    assert own["levels"] == MAX_LEVELS
    LocalizerSettings.model_validate({"name": "anchor_free", "anchor_free": {"network": {"levels": own["levels"]}}})


def test_what_settings_say_stays() -> None:
    assert design("anchor_free", levels=3)["levels"] == 3
    own = design("temporal_rcnn", scales=(8, 20), stream_channels=(6, 4))
    assert own["scales"] == (8, 20) and own["stream_channels"] == (6, 4)
    assert design("temporal_rcnn", num_scales=1)["scales"] == (8,)
    assert design("temporal_rcnn")["stream_channels"] == (10,)


def test_streams_that_do_not_add_up_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"stream_channels: they add up to 12, but features have 10 channels"):
        design("temporal_rcnn", stream_channels=(6, 6))


@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("anchor_free", {"kernel": 8}),
        ("anchor_free", {"levels": 0}),
        ("temporal_rcnn", {"neck_kernel": 2}),
        ("temporal_rcnn", {"scales": (7,)}),
        ("temporal_rcnn", {"scales": ()}),
    ],
)
def test_settings_that_no_network_can_have_are_refused(name: str, network: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        LocalizerSettings.model_validate({"name": name, name: {"network": network}})
