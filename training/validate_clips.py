"""How well a backbone tells whole actions apart: class probabilities averaged over an action's clips.

Shape letters: G actions, K classes, N clips.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from detectors.backbones.contract import Backbone
from pipeline.tables import publish, storing
from pipeline.training_settings import TrainingSettings
from training.clip_batches import decoded, inputs_of, validation_batches
from training.clip_footage import ClipReader
from training.clips import Action
from training.loop import autocast

SEVERAL = 5  # best classes of which one must be right


@dataclass(frozen=True, eq=False, slots=True)
class Accuracy:
    """Shares of actions, 0..1."""

    top1: float
    class_mean: float  # of the shares of each class that there is
    top5: float | None  # that have their class among the five best, None where there are no more than five
    right_K: np.ndarray  # int64, actions of each class that are told
    there_K: np.ndarray  # int64, actions of each class


@torch.inference_mode()
def probabilities_of(
    actions: Sequence[Action], network: Backbone, reader: ClipReader, settings: TrainingSettings, device: str
) -> np.ndarray:
    """(G, K), float64. Raises StopRun if an action cannot be read any more."""
    network.eval()
    sums_GK = np.zeros((len(actions), len(network.contract.class_names)))
    for batch in decoded(reader, validation_batches(actions, reader, settings)):
        with autocast(settings, device):
            logits_NK = network(*inputs_of(batch, network.contract, device))
        numbers = [one.number for one in batch.drawn]
        np.add.at(sums_GK, numbers, logits_NK.double().softmax(1).cpu().numpy())
    probabilities_GK: np.ndarray = sums_GK / sums_GK.sum(axis=1, keepdims=True)
    return probabilities_GK


def accuracy_of(probabilities_GK: np.ndarray, labels_G: np.ndarray) -> Accuracy:
    """Of at least one action."""
    classes = probabilities_GK.shape[1]
    best_GK = np.argsort(-probabilities_GK, axis=1, kind="stable")
    is_right_G = best_GK[:, 0] == labels_G
    there_K = np.bincount(labels_G, minlength=classes)
    right_K = np.bincount(labels_G[is_right_G], minlength=classes)
    is_near_G = (best_GK[:, :SEVERAL] == labels_G[:, None]).any(axis=1)
    return Accuracy(
        top1=float(is_right_G.mean()),
        class_mean=float((right_K[there_K > 0] / there_K[there_K > 0]).mean()),
        top5=float(is_near_G.mean()) if classes > SEVERAL else None,
        right_K=right_K,
        there_K=there_K,
    )


def labels_of(actions: Sequence[Action]) -> np.ndarray:
    """(G,) int64."""
    return np.array([action.label for action in actions], np.int64)


def write_found(
    actions: Sequence[Action], probabilities_GK: np.ndarray, class_names: Sequence[str], path: Path
) -> None:
    """A row an action: what it is and what it was found to be. Raises StopRun when the disk refuses."""
    temp = path.with_name(f".{path.name}.tmp")
    with storing(path.parent):
        with temp.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["video", "start_s", "stop_s", "label", "found", "probability"])
            for action, probability_K in zip(actions, probabilities_GK, strict=True):
                best = int(probability_K.argmax())
                found = class_names[best], round(float(probability_K[best]), 6)
                writer.writerow([action.name, action.start_s, action.stop_s, class_names[action.label], *found])
        publish(temp, path)
