"""A network's design from settings and annotations: what is left to `auto` follows from how long actions are."""

import math
from typing import Any

import numpy as np

from pipeline.localizer_settings import MAX_LEVELS, AnchorFreeNetwork, LocalizerSettings, TemporalRcnnNetwork
from training.anchor_free import REACH

MIN_SCALE = 4


def design_of(
    localizer: LocalizerSettings, *, channels: int, num_classes: int, lengths_G: np.ndarray
) -> dict[str, Any]:
    """Arguments of the network; `lengths_G` are those of the training actions in steps."""
    common: dict[str, Any] = {"num_classes": num_classes}
    if localizer.name == "temporal_rcnn":
        return common | _temporal_rcnn(localizer.temporal_rcnn.network, channels, lengths_G)
    common["in_channels"] = channels
    if localizer.name == "anchor_free":
        return common | _anchor_free(localizer.anchor_free.network, lengths_G)
    return common


def _anchor_free(network: AnchorFreeNetwork, lengths_G: np.ndarray) -> dict[str, Any]:
    levels = network.levels
    if levels == "auto":
        levels = min(MAX_LEVELS, 1 + max(1, math.ceil(math.log2(max(lengths_G.max(), 1) / max(REACH)))))
    return network.model_dump() | {"levels": levels}


def _temporal_rcnn(network: TemporalRcnnNetwork, channels: int, lengths_G: np.ndarray) -> dict[str, Any]:
    design = network.model_dump(exclude={"num_scales"})
    if network.scales == "auto":
        design["scales"] = scales_of(lengths_G, network.num_scales)
    if network.stream_channels == "auto":
        design["stream_channels"] = (channels,)
    elif sum(network.stream_channels) != channels:
        raise ValueError(
            f"localizer.temporal_rcnn.network.stream_channels: they add up to {sum(network.stream_channels)}, "
            f"but features have {channels} channels"
        )
    return design


def scales_of(lengths_G: np.ndarray, count: int) -> tuple[int, ...]:
    """Even anchor lengths in steps: quantiles of the actions' lengths, near copies left out."""
    quantiles = np.quantile(lengths_G, (np.arange(count) + 0.5) / count)
    return tuple(sorted({max(MIN_SCALE, 2 * round(length / 2)) for length in quantiles.tolist()}))
