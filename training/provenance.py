"""What a trained file tells of how it was made, whatever kind of network it holds."""

import platform
import time
from typing import Any

import torch

import pipeline
from pipeline.training_settings import TrainingSettings
from training.state import TrainingState


def made_now(settings: TrainingSettings, state: TrainingState) -> dict[str, Any]:
    """When, with what software, by which settings, and which epoch was kept."""
    return {
        "made": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "software_version": pipeline.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "training": settings.model_dump(mode="json"),
        "epoch": state.chosen.epoch,
    }
