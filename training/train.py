"""From annotations and features to a detector in one file."""

import hashlib
import json
from typing import Any

import numpy as np
import torch
from torch import nn

from annotations.activitynet import write_activitynet
from detectors.temporal.layers import FeatureNorm
from detectors.temporal.networks import NETWORKS
from detectors.temporal.temporal_rcnn import TemporalRCNN
from detectors.temporal.trained import Trained, TrainedOn, save_trained
from pipeline.config import ConfigError
from pipeline.errors import StopRun
from pipeline.settings import Config
from pipeline.tables import storing
from training.collect import Splits
from training.design import design_of
from training.loop import Told, run_training
from training.place import Place
from training.provenance import made_now
from training.state import TrainingState
from training.validate import found_in
from training.videos import Lesson, lesson_of

STATISTICS_STEPS = 20_000  # enough for means and deviations


def train(
    config: Config, splits: Splits, place: Place, *, backbone_digest: str | None, device: str, told: Told, source: str
) -> TrainingState:
    """Train by a resolved config, or go on, and write the detector. Raises ConfigError before, StopRun during it."""
    settings, localizer = config.training, config.localizer
    lessons = [lesson_of(video) for video in splits.training]
    step_s = next(iter(splits.training[0].blocks)).step_s
    design = _design(config, lessons, len(splits.class_names))
    identity = _identity(config, design, splits, backbone_digest)
    torch.manual_seed(settings.seed)
    network = NETWORKS[localizer.name](**design)
    _fit(network, lessons)
    place.make_folder()
    state = run_training(
        network,
        lessons,
        splits.validation,
        localizer=localizer,
        settings=settings,
        class_names=splits.class_names,
        device=device,
        checkpoint=place.checkpoint,
        identity=identity,
        told=told,
    )
    trained = Trained(
        name=localizer.name,
        design=design,
        class_names=splits.class_names,
        localizer=_validated_with(config, design),
        features=TrainedOn(
            step_s=step_s,
            channels=lessons[0].features_SC.shape[1],
            backbone_digest=backbone_digest,
            frames=config.frames.model_dump(mode="json"),
            backbone=config.backbone.model_dump(mode="json"),
        ),
        provenance=_provenance(config, splits, state, source),
        state=state.chosen.weights,
    )
    with storing(place.model.parent):
        save_trained(trained, place.model)
        network = trained.network()
        write_activitynet(found_in(splits.validation, network, localizer, splits.class_names, device), place.validation)
    return state


def _design(config: Config, lessons: list[Lesson], num_classes: int) -> dict[str, Any]:
    lengths_G = np.concatenate([np.diff(lesson.spans_G2)[:, 0] for lesson in lessons])
    channels = lessons[0].features_SC.shape[1]
    try:
        return design_of(config.localizer, channels=channels, num_classes=num_classes, lengths_G=lengths_G)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _fit(network: nn.Module, lessons: list[Lesson]) -> None:
    """Feature statistics of the training videos, from steps all over them."""
    every = -(-sum(len(lesson.features_SC) for lesson in lessons) // STATISTICS_STEPS)
    features_SC = torch.from_numpy(np.concatenate([one.features_SC[one.shown_S][::every] for one in lessons]))
    if not len(features_SC):
        raise StopRun("the training videos show nothing: the picture of every step is lost")
    if isinstance(network, TemporalRCNN):
        for stream, part_SC in network.by_stream(features_SC[:, :, None]):
            stream.feature_norm.fit(part_SC[:, :, 0])
    elif isinstance(network.feature_norm, FeatureNorm):
        network.feature_norm.fit(features_SC)


def _validated_with(config: Config, design: dict[str, Any]) -> dict[str, Any]:
    """The localizer's settings, with what was left to `auto` in its network filled in."""
    name = config.localizer.name
    own = getattr(config.localizer, name).model_dump(mode="json")
    own["network"] = {field: design.get(field, value) for field, value in own["network"].items()}
    return {name: own, "nms": config.localizer.nms.model_dump(mode="json")}


def _identity(config: Config, design: dict[str, Any], splits: Splits, backbone_digest: str | None) -> str:
    """Hash of all that determines the weights."""
    digest = hashlib.sha256(json.dumps([design, backbone_digest, splits.class_names], sort_keys=True).encode())
    digest.update(
        config.training.model_dump_json(exclude={"finetune", "head", "clips"}).encode()
        + config.localizer.model_dump_json().encode()
    )
    digest.update(config.frames.model_dump_json().encode() + config.backbone.name.encode())
    for video in (*splits.training, *splits.validation):
        digest.update(video.name.encode() + video.spans_s_G2.tobytes() + video.labels_G.tobytes())
        digest.update(json.dumps([video.duration_s, [list(span) for span in video.lost]]).encode())
    return digest.hexdigest()


def _provenance(config: Config, splits: Splits, state: TrainingState, source: str) -> dict[str, Any]:
    return {
        **made_now(config.training, state),
        "annotations": source,
        "training_videos": len(splits.training),
        "training_actions": sum(len(video.labels_G) for video in splits.training),
        "validation_videos": len(splits.validation),
        "validation_actions": sum(len(video.labels_G) for video in splits.validation),
        "average_map": state.chosen.average_map,
        "tious": list(config.training.tious),
    }
