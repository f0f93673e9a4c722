"""A problem that small networks learn in seconds: class k raises two channels of its own.

Shape letters: S steps, C channels, G ground truths.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config import load_config
from pipeline.records import FeatureSequence
from training.collect import Splits
from training.loop import Told
from training.place import Place
from training.state import TrainingState
from training.train import train
from training.videos import AnnotatedVideo

CLASSES = ("wave", "jump", "run")
CHANNELS = 8
STEP_S = 0.32
SMALL = {
    "anchor_free": ("channels=16", "stem_blocks=1", "head_layers=1", "kernel=5", "drop_path=0.1"),
    "temporal_rcnn": ("channels=16", "neck_blocks=1", "neck_kernel=3", "bins=5", "hidden=32", "num_scales=3"),
    "step_probe": (),
}
TRAINING = (
    "epochs=12",
    "warmup_epochs=1",
    "batch=1",
    "learning_rate=0.005",
    "ema=0.9",
    "augmentation.crop_steps=100",
    "augmentation.stretch=1.1",
)


def nothing(*_: Any) -> None:
    """Tells nobody."""


SILENT = Told(nothing, nothing)


def video(name: str, seed: int, *, num_steps: int = 130, cut_at: int = 60) -> AnnotatedVideo:
    """Four to seven actions of 2.6 to 7.7 s, in two blocks of features."""
    rng = np.random.default_rng(seed)
    features_SC = np.abs(rng.normal(0, 0.3, (num_steps, CHANNELS))).astype(np.float16)
    spans, labels, at = [], [], 4 + int(rng.integers(0, 8))
    while (stop := at + int(rng.integers(8, 24))) < num_steps - 2:
        label = int(rng.integers(0, len(CLASSES)))
        features_SC[at:stop, 2 * label : 2 * label + 2] += 1.5
        spans.append((at * STEP_S, stop * STEP_S))
        labels.append(label)
        at = stop + int(rng.integers(4, 14))
    blocks = [
        FeatureSequence(name, features_SC[:cut_at], None, 0.0, STEP_S),
        FeatureSequence(name, features_SC[cut_at:], None, cut_at * STEP_S, STEP_S),
    ]
    spans_s_G2 = np.array(spans).reshape(-1, 2)
    return AnnotatedVideo(name, blocks, num_steps * STEP_S, (), spans_s_G2, np.array(labels, dtype=np.int64))


def splits() -> Splits:
    training = [video(f"training {number}", number) for number in range(6)]
    return Splits(training, [video(f"validation {number}", 100 + number) for number in range(3)], CLASSES)


def shuffled(splits: Splits) -> Splits:
    """Training labels at random."""
    rng = np.random.default_rng(0)
    training = [replace(one, labels_G=rng.integers(0, len(CLASSES), len(one.labels_G))) for one in splits.training]
    return Splits(training, splits.validation, splits.class_names)


def train_small(
    model: Path,
    name: str,
    *overrides: str,
    data: Splits | None = None,
    step: Callable[[int, int], None] = nothing,
    epoch: Callable[[dict[str, Any]], None] = nothing,
) -> TrainingState:
    own = [f"localizer.{name}.network.{one}" for one in SMALL[name]]
    config = load_config(f"{name}_i3d", [*own, *(f"training.{one}" for one in TRAINING), *overrides])
    return train(
        config,
        data or splits(),
        Place(model),
        backbone_digest="abc",
        device="cpu",
        told=Told(step, epoch),
        source="actions.csv",
    )
