"""Real files made in tests that have a picture and a known sound."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from recordings import OPTIONS, numbered

PACKED = 1024  # samples a frame, where the encoder does not say


def clicks(times_s: Sequence[float], length_s: float, rate: int = 48_000, channels: int = 1) -> np.ndarray:
    """Silence (M, channels) with loud moments of 10 ms that begin at these times."""
    sound_MC = np.zeros((round(length_s * rate), channels), np.float32)
    for time_s in times_s:
        first = round(time_s * rate)
        sound_MC[first : first + rate // 100] = 0.8
    return sound_MC


def noise(length_s: float, rate: int = 48_000, channels: int = 1, seed: int = 0) -> np.ndarray:
    """What encoders describe by its loudness alone, and decoders make up (M, channels)."""
    rng = np.random.default_rng(seed)
    return rng.normal(0, 0.1, (round(length_s * rate), channels)).astype(np.float32)


def tone(hertz: float, length_s: float, rate: int = 48_000, channels: int = 1) -> np.ndarray:
    """A sine (M, channels) of amplitude 0.5, zero at time zero."""
    wave_M = 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(length_s * rate)) / rate)
    return np.repeat(wave_M[:, None], channels, axis=1).astype(np.float32)


def sounding(
    path: Path,
    sound_MC: np.ndarray | None,
    *,
    length_s: float,
    rate: int = 48_000,
    codec: str = "aac",
    format_: str | None = None,
    picture: str = "libx264",
    start_s: float = 0.0,
    sound_start_s: float = 0.0,
    gop: int = 25,
    shade: int | None = None,
    without: tuple[float, float] = (0, 0),
) -> Path:
    """Pictures (25 a second) that begin at `start_s`, and sound from `sound_start_s`, on the container's clock.

    `shade`: every picture is of this grey, else it says its number. `format_`: of samples, if not the encoder's first.
    `without`: seconds of the sound that are missing.
    """
    with av.open(str(path), "w") as container:
        video = container.add_stream(picture, rate=25, options=OPTIONS.get(picture, {}))
        video.width, video.height, video.pix_fmt, video.gop_size = 96, 64, "yuv420p", gop
        packets = [_pictures(video, length_s, start_s, shade)]
        if sound_MC is not None:
            layout = "mono" if sound_MC.shape[1] == 1 else "stereo"
            stream = container.add_stream(codec, rate=rate, layout=layout)
            if format_ is not None:
                stream.codec_context.format = format_
            sounds = _sounds(stream, sound_MC, rate, layout, sound_start_s)
            packets.append(one for one in sounds if not without[0] <= one[0] < without[1])
        _interleave(container, packets)
    return path


def _pictures(stream: Any, length_s: float, start_s: float, shade: int | None) -> Iterator[tuple[float, Any]]:
    for number in range(round(length_s * 25)):
        image = numbered(number, 96, 64) if shade is None else np.full((64, 96, 3), shade, np.uint8)
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts, frame.time_base = number + round(start_s * 25), Fraction(1, 25)
        yield start_s + number / 25, stream.encode(frame)
    yield float("inf"), stream.encode(None)


def _sounds(stream: Any, sound_MC: np.ndarray, rate: int, layout: str, start_s: float) -> Iterator[tuple[float, Any]]:
    for first in range(0, len(sound_MC), PACKED):
        block = np.ascontiguousarray(sound_MC[first : first + PACKED].T)
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, first + round(start_s * rate), Fraction(1, rate)
        yield start_s + first / rate, stream.encode(frame)
    yield float("inf"), stream.encode(None)


def _interleave(container: Any, packets: list[Iterator[tuple[float, Any]]]) -> None:
    waiting = [(next(one), one) for one in packets]
    while waiting:
        waiting.sort(key=lambda one: one[0][0])
        (_, encoded), source = waiting.pop(0)
        container.mux(encoded)
        following = next(source, None)
        if following is not None:
            waiting.append((following, source))
