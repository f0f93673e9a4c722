"""Networks and rules that find actions in a feature sequence."""

from detectors.temporal.localizers import AnchorFreeLocalizer, TemporalRcnnLocalizer
from detectors.temporal.step_probe import StepProbeLocalizer
from detectors.temporal.training_free import TrainingFree

LOCALIZERS = {
    "training_free": TrainingFree,
    "anchor_free": AnchorFreeLocalizer,
    "temporal_rcnn": TemporalRcnnLocalizer,
    "step_probe": StepProbeLocalizer,
}
