"""Data made in code: one shape on the move, labelled by how it moves (`order`) or by what it is (`appearance`).

In every frame of every clip place, size, tilt, shape and colours are drawn alike, whatever the movement: a single frame
of `order` tells nothing. For that the picture is a torus: what leaves on the right comes in on the left, and a shape
that has grown to the largest size begins anew at the smallest. A class played backwards is the other of its pair.
A shape has a tint of its own, so that `appearance` is told at a glance.

Letters: N clips, T frames, H rows, W columns. Places are in pixels, y downwards; angles in radians, clockwise.
"""

from colorsys import hsv_to_rgb
from dataclasses import dataclass

import numpy as np

MOVEMENTS = ("left", "right", "clockwise", "anticlockwise", "growing", "shrinking")
SHAPES = ("disc", "square", "triangle", "cross", "ring", "bars")
CLASSES = {"order": MOVEMENTS, "appearance": SHAPES}

SIDE = 64  # pixels, to which the numbers below belong
SIZES = (7.0, 16.0)  # from the middle of a shape to its rim
SPEEDS = (1.8, 3.2)  # a frame, moving or circling
RADII = (5.0, 8.0)  # of circles
GROWTHS = (0.05, 0.08)  # log of the factor a frame
TILTS = (-0.35, 0.35)
TINT = 0.06  # of the circle of hues, to either side
DARK = (30.0, 80.0)  # of a backdrop, of 255
NOISE = 5.0  # standard deviation in every frame, of 255


@dataclass(frozen=True, slots=True)
class States:
    """Where a shape is and how large, frame by frame: all that changes."""

    x_T: np.ndarray
    y_T: np.ndarray
    size_T: np.ndarray


@dataclass(frozen=True, slots=True)
class Look:
    """All that stays as it is."""

    shape: str
    tilt: float
    colour_3: np.ndarray  # 0..255, float


def clips(kind: str, count: int, *, seed: int, frames: int = 16, side: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """Clips (N, T, H, W, 3) uint8 and their labels (N,), which index CLASSES[kind].

    Both kinds have the same pictures; each class comes equally often.
    """
    clips_NTHWC = np.empty((count, frames, side, side, 3), np.uint8)
    cells_N = cells(count, seed)
    for index, (movement, shape) in enumerate(cells_N):
        rng = np.random.default_rng([seed, index])
        backdrop = draw_backdrop(rng, side)
        states, look = draw_states(rng, MOVEMENTS[movement], frames), draw_look(rng, SHAPES[shape])
        clips_NTHWC[index] = with_noise(rng, painted(backdrop, states, look))
    return clips_NTHWC, cells_N[:, list(CLASSES).index(kind)]


def cells(count: int, seed: int) -> np.ndarray:
    """A movement and a shape (N, 2) for every clip, in random order: both, and their pairs, equally often."""
    index_N = np.arange(count)
    movement_N, turn_N = index_N % len(MOVEMENTS), index_N // len(MOVEMENTS)
    cells_N2 = np.stack([movement_N, (movement_N + turn_N) % len(SHAPES)], axis=1)
    return np.random.default_rng(seed).permutation(cells_N2)


def draw_states(rng: np.random.Generator, movement: str, frames: int) -> States:
    """A trajectory, uniform in place and log size at every frame; pixels as of a picture of SIDE."""
    t_T = np.arange(frames)
    (x, y), level = rng.uniform(0, SIDE, 2), rng.uniform()
    speed, radius, growth = rng.uniform(*SPEEDS), rng.uniform(*RADII), rng.uniform(*GROWTHS)
    phase = rng.uniform(0, 2 * np.pi)
    x_T, y_T, level_T = np.full(frames, x), np.full(frames, y), np.full(frames, level)
    sign = 1 if movement in ("right", "clockwise", "growing") else -1
    if movement in ("left", "right"):
        x_T = x + sign * speed * t_T
    elif movement in ("clockwise", "anticlockwise"):
        angle_T = phase + sign * speed / radius * t_T
        x_T, y_T = x + radius * np.cos(angle_T), y + radius * np.sin(angle_T)
    else:
        level_T = level + sign * growth / np.log(SIZES[1] / SIZES[0]) * t_T
    return States(x_T % SIDE, y_T % SIDE, SIZES[0] * (SIZES[1] / SIZES[0]) ** (level_T % 1))


def draw_backdrop(rng: np.random.Generator, side: int) -> np.ndarray:
    """A picture (H, W, 3), float, 0..255: soft blotches, rather dark."""
    coarse = rng.uniform(*DARK) + rng.uniform(-15, 15, 3) + rng.uniform(-18, 18, (7, 7, 3))
    at = np.linspace(0, 6 - 1e-9, side)
    low, part = at.astype(int), (at % 1)[:, None, None]
    rows = coarse[low] * (1 - part) + coarse[low + 1] * part
    part = part.reshape(1, side, 1)
    backdrop: np.ndarray = np.clip(rows[:, low] * (1 - part) + rows[:, low + 1] * part, 0, 255)
    return backdrop


def draw_look(rng: np.random.Generator, shape: str) -> Look:
    """A shape's look: its own tint, bright, as the backdrop is dark."""
    hue = SHAPES.index(shape) / len(SHAPES) + rng.uniform(-TINT, TINT)
    colour_3 = 255 * np.array(hsv_to_rgb(hue % 1, rng.uniform(0.5, 0.8), rng.uniform(0.85, 1)))
    return Look(shape, rng.uniform(*TILTS), colour_3)


def painted(backdrop: np.ndarray, states: States, look: Look) -> np.ndarray:
    """Pictures (T, H, W, 3), float, 0..255, with soft edges of a pixel."""
    side = backdrop.shape[0]
    pixels = (np.arange(side) + 0.5) * SIDE / side
    across_TW, down_TH = (
        (pixels[None] - at_T[:, None] + SIDE / 2) % SIDE - SIDE / 2 for at_T in (states.x_T, states.y_T)
    )
    size_T11 = states.size_T[:, None, None]
    cos, sin = np.cos(look.tilt), np.sin(look.tilt)
    u_THW = (cos * across_TW[:, None, :] + sin * down_TH[:, :, None]) / size_T11
    v_THW = (cos * down_TH[:, :, None] - sin * across_TW[:, None, :]) / size_T11
    covered_THW = np.clip(0.5 - _outside(look.shape, u_THW, v_THW) * size_T11 * side / SIDE, 0, 1)[..., None]
    pictures_THWC: np.ndarray = backdrop * (1 - covered_THW) + look.colour_3 * covered_THW
    return pictures_THWC


def _outside(shape: str, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """How far points are outside a shape of size 1, below 0 inside it."""
    right, down, far = np.abs(u), np.abs(v), np.hypot(u, v)
    outside: dict[str, np.ndarray] = {
        "disc": far - 0.8,
        "square": np.maximum(right, down) - 0.75,
        "triangle": np.maximum(v, right * 3**0.5 / 2 - v / 2) - 0.5,
        "cross": np.minimum(np.maximum(right - 0.9, down - 0.25), np.maximum(down - 0.9, right - 0.25)),
        "ring": np.abs(far - 0.7) - 0.18,
        "bars": np.maximum(right - 0.8, np.abs(down - 0.45) - 0.2),
    }
    return outside[shape]


def with_noise(rng: np.random.Generator, pictures_THWC: np.ndarray) -> np.ndarray:
    """As uint8, with noise that differs in every frame."""
    noise = NOISE * rng.standard_normal(pictures_THWC.shape, np.float32)
    noisy_THWC: np.ndarray = np.clip(pictures_THWC + noise, 0, 255).astype(np.uint8)
    return noisy_THWC
