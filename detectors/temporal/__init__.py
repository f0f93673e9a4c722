"""Networks and rules that find actions in a feature sequence."""

from detectors.temporal.training_free import TrainingFree

LOCALIZERS = {"training_free": TrainingFree}
