"""The recording that a first run is shown on: a minute of the two sample videos, with a stretch where nothing moves."""

from pathlib import Path

from detectors.weights import fetch
from stages.compose import Clip, Part, Progress, Still, compose

WIDTH, HEIGHT, FPS = 640, 360, 25


def demo_recording(out: Path, *, progress: Progress | None = None) -> Path:
    """Write the demo recording (66 s, mp4); fetches its two sample videos if need be. Raises WeightsError."""
    compose(
        _parts(fetch("sample_people"), fetch("sample_street")),
        out,
        width=WIDTH,
        height=HEIGHT,
        fps=FPS,
        progress=progress,
    )
    return out


def _parts(people: Path, street: Path) -> list[Part]:
    """People: one swings his arms on a box and somersaults off it at 5.8 s, one walks by. Street: six shots."""
    return [
        Clip(people, 0.0, 7.6),
        Clip(street, 0.0, 10.0),
        Still(street, 9.0, hold_s=15.0),  # a parked bicycle
        Clip(people, 4.8, 7.6),
        Clip(street, 3.04, 5.48),  # a cyclist waits between cars
        Clip(people, 0.0, 7.6),
        Clip(street, 5.48, 9.68),
        Clip(street, 1.2, 5.48),
        Clip(people, 0.0, 7.6),
        Clip(people, 3.0, 7.6),
    ]
