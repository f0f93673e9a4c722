"""What people do in the validation videos, and what a head says they do, in the form that AVA's protocol judges."""

import numpy as np
import torch
from torch import nn

from annotations.records import LabelledBoxes
from detectors.persons.trained_head import BOXES_AT_ONCE
from training.people import AnnotatedPeople, PeopleSplits


def truth_of(splits: PeopleSplits) -> LabelledBoxes:
    """What people do in the validation videos."""
    people = splits.validation
    rows, classes = np.nonzero(people.does_NK)
    return _boxes(people, splits, rows, classes, None)


@torch.inference_mode()
def found_by(network: nn.Module, splits: PeopleSplits, device: str) -> LabelledBoxes:
    """A row for each class of everybody in the validation videos."""
    people = splits.validation
    network.eval()
    parts = torch.split(torch.from_numpy(people.features_NC), BOXES_AT_ONCE)
    scores_NK = torch.cat([network(part.to(device)).sigmoid().cpu() for part in parts]).double().numpy()
    rows, classes = np.nonzero(np.ones_like(scores_NK))
    return _boxes(people, splits, rows, classes, scores_NK.ravel())


def _boxes(
    people: AnnotatedPeople, splits: PeopleSplits, rows: np.ndarray, classes: np.ndarray, scores: np.ndarray | None
) -> LabelledBoxes:
    actions = np.array(splits.class_ids, np.int64)[classes]
    return LabelledBoxes(people.frames, people.frame_N[rows], people.boxes_N4[rows], actions, scores)
