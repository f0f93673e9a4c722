"""From annotated people with features to a head that tells what people do, in one file.

Shape letters: N boxes, C channels, K classes.
"""

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from annotations.ava import write_ava
from detectors.persons.trained_head import BoxFeaturesOf, HeadNetwork, TrainedHead, save_head
from evaluation.ava import FrameMap, frame_map
from pipeline.settings import Config
from pipeline.tables import storing
from training.loop import SEEDS_APART, Told, an_epoch
from training.objectives import MOST_FOR_RARE
from training.people import AnnotatedPeople, PeopleSplits
from training.place import Place
from training.provenance import made_now
from training.state import TrainingState
from training.train import STATISTICS_STEPS
from training.validate_people import found_by, truth_of


@dataclass(frozen=True, eq=False, slots=True)
class HeadTraining:
    """What came of it."""

    state: TrainingState
    judged: FrameMap  # the kept weights on the validation videos


def train_head(
    config: Config,
    splits: PeopleSplits,
    place: Place,
    *,
    backbone_digest: str,
    device: str,
    told: Told,
    provenance: dict[str, Any],
) -> HeadTraining:
    """Train by a resolved config, or go on, and write the head. Raises StopRun."""
    training, settings = splits.training, config.training
    design = {
        "channels": training.features_NC.shape[1],
        "hidden": settings.head.hidden,
        "classes": len(splits.class_names),
        "dropout": settings.head.dropout,
    }
    torch.manual_seed(settings.seed)
    network = HeadNetwork(**design)
    begin(network, training)
    place.make_folder()
    identity = _identity(config, design, splits, backbone_digest)
    state = _run(network.to(device), config, splits, place, identity, device=device, told=told)
    head = TrainedHead(
        class_names=splits.class_names,
        design=design,
        features=BoxFeaturesOf(
            backbone=config.backbone.name,
            weights=config.backbone.weights,
            backbone_digest=backbone_digest,
            frames=config.frames.model_dump(mode="json"),
            window_s=config.persons.window_s,
            channels=design["channels"],
        ),
        provenance=_provenance(config, splits, state) | provenance,
        state=state.chosen.weights,
    )
    found = found_by(head.network, splits, "cpu")
    with storing(place.model.parent):
        save_head(head, place.model)
    write_ava(found, place.folder / "validation.csv")
    return HeadTraining(state, frame_map(truth_of(splits), found, splits.class_ids))


def begin(network: HeadNetwork, people: AnnotatedPeople) -> None:
    """Statistics of features; logits that say how common each class is, so that the first steps need not learn that."""
    every = -(-len(people) // STATISTICS_STEPS)
    network.feature_norm.fit(torch.from_numpy(people.features_NC[::every]))
    share_K = (people.does_NK.sum(axis=0) + 1) / (len(people) + 2)
    with torch.no_grad():
        network.last.weight.mul_(0.1)
        network.last.bias.copy_(torch.from_numpy(np.log(share_K / (1 - share_K))))


def positive_weights(does_NK: np.ndarray, *, balance: bool) -> Tensor:
    """How much more it counts that somebody does a thing than that another does not: the root of how rare it is."""
    counts_K = does_NK.sum(axis=0)
    weights_K = np.sqrt((len(does_NK) - counts_K) / np.maximum(counts_K, 1)).clip(1.0, MOST_FOR_RARE)
    return torch.from_numpy(weights_K if balance else np.ones_like(weights_K)).float()


def _run(
    network: HeadNetwork,
    config: Config,
    splits: PeopleSplits,
    place: Place,
    identity: str,
    *,
    device: str,
    told: Told,
) -> TrainingState:
    """To the end, from the checkpoint on if there is one; on a CPU the same seed gives the same weights."""
    people, settings = splits.training, config.training
    features_NC, does_NK = torch.from_numpy(people.features_NC), torch.from_numpy(people.does_NK)
    weights_K = positive_weights(people.does_NK, balance=settings.class_balance).to(device)
    steps = -(-len(people) // settings.head.batch)
    state = TrainingState(network, settings, steps_an_epoch=steps)
    if place.checkpoint.exists():
        state.restore(place.checkpoint, identity)

    def losses() -> Iterator[dict[str, Tensor]]:
        torch.manual_seed(settings.seed * SEEDS_APART + state.epoch)  # of the order and of dropout
        for rows in torch.split(torch.randperm(len(people)), settings.head.batch):
            logits_NK = network(features_NC[rows].to(device))
            yield {
                "class": functional.binary_cross_entropy_with_logits(
                    logits_NK, does_NK[rows].to(device, torch.float32), pos_weight=weights_K
                )
            }

    while not state.is_over:
        started = time.monotonic()
        network.train()
        row = an_epoch(state, losses(), steps, told)
        if state.epoch % settings.validate_every == 0 or state.epoch == settings.epochs:
            judged = frame_map(truth_of(splits), found_by(state.averaged, splits, device), splits.class_ids)
            row["average_map"] = judged.map_at_50
            state.chosen.consider(state.epoch, judged.map_at_50, state.averaged)
        row["seconds"] = time.monotonic() - started
        state.history.append(row)
        state.save(place.checkpoint, identity)
        told.epoch(row)
    return state


def _identity(config: Config, design: dict[str, Any], splits: PeopleSplits, backbone_digest: str) -> str:
    """Hash of all that determines the weights."""
    settings = config.training.model_dump_json(exclude={"finetune", "augmentation", "tious", "features", "clips"})
    told = [design, backbone_digest, splits.class_names, splits.class_ids, settings, config.persons.window_s]
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    digest.update(config.frames.model_dump_json().encode() + config.backbone.name.encode())
    for people in (splits.training, splits.validation):
        digest.update(json.dumps(people.frames).encode())
        for column in (people.frame_N, people.boxes_N4, people.does_NK):
            digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()


def _provenance(config: Config, splits: PeopleSplits, state: TrainingState) -> dict[str, Any]:
    return {
        **made_now(config.training, state),
        "class_ids": list(splits.class_ids),
        "training_people": len(splits.training),
        "validation_people": len(splits.validation),
        "frame_map": state.chosen.average_map,
    }
