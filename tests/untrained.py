"""Detector files without the training: the network as it begins, in the form that `run.py train` writes."""

from pathlib import Path

import numpy as np
import torch

from detectors import backbones
from detectors.temporal.networks import NETWORKS
from detectors.temporal.trained import Trained, TrainedOn, save_trained
from detectors.weights import digest
from pipeline.settings import Config
from stages.build import build_feature_stages, resolve_features
from training.design import design_of

CLASS_NAMES = ("one", "two")


def untrained(config: Config, path: Path) -> Path:
    """The file of a detector for the config's localizer, for actions of about 2 s."""
    config = resolve_features(config)
    contract = backbones.outline(config.backbone.name).contract
    stages = build_feature_stages(config)
    lengths_G = np.array([2.0, 3.0]) / stages.step_s
    channels = contract.feature_channels
    design = design_of(config.localizer, channels=channels, num_classes=len(CLASS_NAMES), lengths_G=lengths_G)
    torch.manual_seed(0)
    trained = Trained(
        name=config.localizer.name,
        design=design,
        class_names=CLASS_NAMES,
        localizer=config.localizer.model_dump(mode="json", include={config.localizer.name, "nms"}),
        features=TrainedOn(
            step_s=stages.step_s,
            channels=channels,
            backbone_digest=digest(config.backbone.weights),
            frames=config.frames.model_dump(mode="json"),
            backbone=config.backbone.model_dump(mode="json"),
        ),
        provenance={},
        state=NETWORKS[config.localizer.name](**design).state_dict(),
    )
    save_trained(trained, path)
    return path
