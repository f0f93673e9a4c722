"""Untrimmed recordings of moving shapes, with their annotations: to train, to find and to be measured on.

The recordings are the same for both data sets, which label them differently.
"""

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from annotations.files import write_text
from pipeline.tables import storing
from stages.compose import write_pictures
from training.moving_shapes import (
    CLASSES,
    MOVEMENTS,
    SHAPES,
    SIDE,
    cells,
    draw_backdrop,
    draw_look,
    draw_states,
    painted,
    with_noise,
)

RATE = Fraction(25, 2)  # frames a second
ACTION_FRAMES, PAUSE_FRAMES = (20, 30), (8, 20)  # at least, at most
ACTIONS = 10  # a recording, a pause before each and one at the end
VALIDATION_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Timed:
    """One action of a recording."""

    movement: str
    shape: str
    frames: range


def make_shapes(
    folder: Path,
    *,
    videos: int = 240,
    seed: int = 0,
    actions: int = ACTIONS,
    told: Callable[[int], None] = lambda _: None,
) -> dict[str, Path]:
    """Write so many recordings, at least two, and for each kind of CLASSES an annotation file, whose path is returned.

    The last of the recordings are the subset `validation`. The same seed gives the same pictures. `told` hears how many
    are written. Raises StopRun when the disk refuses, AnnotationError where an annotation file cannot be written.
    """
    with storing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    validating = max(1, round(videos * VALIDATION_SHARE))
    rows: dict[str, list[tuple[object, ...]]] = {kind: [] for kind in CLASSES}
    for number, (subset, plan) in enumerate(_plans(videos - validating, validating, seed, actions)):
        name = f"shapes_{number:03d}.mp4"
        with storing(folder):
            write_pictures(
                _pictures(plan, np.random.default_rng([seed, number])),
                folder / name,
                width=SIDE,
                height=SIDE,
                fps=RATE,
                each_alone=True,
            )
        for timed in plan:
            span = float(timed.frames.start / RATE), float(timed.frames.stop / RATE)
            for kind, label in (("order", timed.movement), ("appearance", timed.shape)):
                rows[kind].append((name, *span, label, subset))
        told(number + 1)
    return {kind: _write(folder / f"{kind}.csv", rows[kind]) for kind in CLASSES}


def _plans(training: int, validating: int, seed: int, actions: int) -> Iterator[tuple[str, list[Timed]]]:
    """Of each recording its subset and its actions; in each subset every class comes as often as any other."""
    for stream, (subset, videos) in enumerate((("training", training), ("validation", validating))):
        rng = np.random.default_rng([seed, stream, videos])
        cells_N2 = cells(videos * actions, seed + stream)
        for first in range(0, len(cells_N2), actions):
            yield subset, _timed(cells_N2[first : first + actions], rng)


def _timed(cells_N2: np.ndarray, rng: np.random.Generator) -> list[Timed]:
    timed, start = [], 0
    for movement, shape in cells_N2:
        start += int(rng.integers(*PAUSE_FRAMES, endpoint=True))
        stop = start + int(rng.integers(*ACTION_FRAMES, endpoint=True))
        timed.append(Timed(MOVEMENTS[movement], SHAPES[shape], range(start, stop)))
        start = stop
    return timed


def _pictures(plan: list[Timed], rng: np.random.Generator) -> Iterator[np.ndarray]:
    """One backdrop, on which shapes come and go."""
    backdrop, at = draw_backdrop(rng, SIDE), 0
    for timed in plan:
        yield from _pause(backdrop, timed.frames.start - at, rng)
        states = draw_states(rng, timed.movement, len(timed.frames))
        yield from with_noise(rng, painted(backdrop, states, draw_look(rng, timed.shape)))
        at = timed.frames.stop
    yield from _pause(backdrop, PAUSE_FRAMES[1], rng)


def _pause(backdrop: np.ndarray, frames: int, rng: np.random.Generator) -> np.ndarray:
    return with_noise(rng, np.broadcast_to(backdrop, (frames, *backdrop.shape)))


def _write(path: Path, rows: list[tuple[object, ...]]) -> Path:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["video", "start_s", "end_s", "label", "subset"])
    writer.writerows(rows)
    write_text(path, text.getvalue())
    return path
