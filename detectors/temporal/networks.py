"""The networks that can be trained, by the name of their localizer."""

from torch import nn

from detectors.temporal.anchor_free import AnchorFree
from detectors.temporal.step_probe import StepProbe
from detectors.temporal.temporal_rcnn import TemporalRCNN

NETWORKS: dict[str, type[nn.Module]] = {
    "anchor_free": AnchorFree,
    "temporal_rcnn": TemporalRCNN,
    "step_probe": StepProbe,
}
