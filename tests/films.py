"""Small recordings of coloured actions one after the other, and trainings of small networks on them."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from annotations.read import read_annotations
from pipeline.config import load_config
from pipeline.records import Source, Video
from pipeline.settings import Config
from stages.build import resolve_features
from stages.probe import Probe
from training.clips import ClipSplits, clip_splits
from training.collect import split
from training.loop import Told
from training.place import Place
from training.train_backbone import BackboneTraining, train_backbone

FPS, SIDE = Fraction(25, 2), 32
COLOURS = {"red": (200, 60, 60), "blue": (60, 60, 200)}
PATTERN = ("red", "blue", "blue", "red")  # actions of a film
FRAMES = 10  # of an action
SMALL = (
    "backbone.weights=random",
    "backbone.design.image_network=small",
    "frames.short_side=32",
    "engine.device=cpu",
    "training.epochs=6",
    "training.warmup_epochs=1",
    "training.learning_rate=0.005",
    "training.ema=0.8",
    "training.clips.batch=4",
    "training.clips.test_clips=2",
)


def film(path: Path, colours: Sequence[str], seed: int) -> None:
    """An action of each colour, brighter or darker and in noise."""
    rng = np.random.default_rng(seed)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "crf": "15"})
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = SIDE, SIDE, "yuv420p", FRAMES
        for colour in colours:
            shift = rng.integers(-40, 40)
            for _ in range(FRAMES):
                picture = np.array(COLOURS[colour]) + shift + rng.normal(0, 8, (SIDE, SIDE, 3))
                frame = av.VideoFrame.from_ndarray(picture.clip(0, 255).astype(np.uint8), format="rgb24")
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def make_films(folder: Path, *, training: int = 5, validation: int = 3) -> Path:
    """So many of them, and their annotations, whose path is returned."""
    (folder / "videos").mkdir(parents=True)
    rows = ["video,start_s,end_s,label,subset"]
    for number in range(training + validation):
        name, subset = f"film{number}", "training" if number < training else "validation"
        film(folder / "videos" / f"{name}.mp4", PATTERN, number)
        for index, colour in enumerate(PATTERN):
            start_s, stop_s = (float(FRAMES * end / FPS) for end in (index, index + 1))
            rows.append(f"{name},{start_s},{stop_s},{colour},{subset}")
    (folder / "actions.csv").write_text("\n".join(rows))
    return folder / "actions.csv"


def source_of(path: Path) -> Source:
    return Source(path.stem, str(path), path.stat().st_size)


def probed(folder: Path) -> dict[str, Video]:
    """By the names that annotations give them."""
    return {path.stem: Probe()(source_of(path)) for path in sorted(folder.glob("*.mp4"))}


def config_of(name: str, *overrides: str) -> Config:
    return resolve_features(load_config(f"families/{name}", [*SMALL, *overrides]))


def splits_of(annotations: Path, config: Config, *, shuffle_seed: int | None = None) -> ClipSplits:
    training, validation, _ = split(read_annotations(annotations), config.training.split, seed=0)
    return clip_splits(training, validation, probed(annotations.parent / "videos"), shuffle_seed=shuffle_seed)


def nothing(*_: Any) -> None:
    """Tells nobody."""


def train_small(
    config: Config,
    splits: ClipSplits,
    model: Path,
    *,
    step: Callable[[int, int], None] = nothing,
    epoch: Callable[[dict[str, Any]], None] = nothing,
) -> BackboneTraining:
    return train_backbone(config, splits, Place(model), device="cpu", told=Told(step, epoch), source="actions.csv")
