"""Real video files made in tests: each frame says its number in its picture, also after scaling."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

# A grid of 4 x 4 squares: 12 bits of number, 4 of checksum, so that a turned or damaged picture reads as None.
_SIDE = 4
_CHECK = 11
DARK, BRIGHT = 40, 215
TICKS = 90_000  # a second, in the encoder's clock
_ONE = 1 << 16
MATRICES = {  # by degrees clockwise, as in the track headers of phones
    90: (0, _ONE, 0, -_ONE, 0, 0, 0, 0, 1 << 30),
    180: (-_ONE, 0, 0, 0, -_ONE, 0, 0, 0, 1 << 30),
    270: (0, -_ONE, 0, _ONE, 0, 0, 0, 0, 1 << 30),
}
OPTIONS = {"libx264": {"preset": "ultrafast", "bf": "2"}, "libvpx": {"deadline": "good", "cpu-used": "5"}}


def numbered(number: int, width: int, height: int) -> np.ndarray:
    """A picture (height, width, 3) that says `number`, 0 to 4095."""
    code = number << 4 | (number * _CHECK + 5) % 16
    squares = np.array([BRIGHT if code >> bit & 1 else DARK for bit in range(_SIDE**2)], np.uint8)
    rows, columns = (np.arange(length) * _SIDE // length for length in (height, width))
    grid = squares.reshape(_SIDE, _SIDE)[np.ix_(rows, columns)]
    return np.repeat(grid[:, :, None], 3, axis=2)


def number_in(picture: np.ndarray) -> int | None:
    """The number that a picture says, None if it says none."""
    middles = [((2 * np.arange(_SIDE) + 1) * length // (2 * _SIDE)) for length in picture.shape[:2]]
    bits = picture[np.ix_(*middles)].mean(axis=2).ravel() > (DARK + BRIGHT) / 2
    code = sum(1 << bit for bit, bright in enumerate(bits) if bright)
    number = code >> 4
    return number if (number * _CHECK + 5) % 16 == code % 16 else None


def record(
    path: Path,
    *,
    times: Sequence[Fraction] | None = None,
    frames: int = 100,
    fps: Fraction | int = 25,
    start_s: float = 0,
    codec: str = "libx264",
    size: tuple[int, int] = (96, 64),
    gop: int = 25,
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    turn: int = 0,
    pixel_aspect: Fraction | None = None,
    audio_s: float = 0,
) -> Path:
    """Encode numbered frames, shown at `times` (by default `frames` of them at `fps`) after `start_s`.

    `size` is (width, height) as shown; `turn` is what a player turns the stored picture by, degrees clockwise.
    """
    stored = size[::-1] if turn % 180 else size
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=fps, options=OPTIONS.get(codec, {}) | (options or {}))
        stream.width, stream.height, stream.pix_fmt = *stored, pix_fmt
        stream.gop_size = gop
        if times is not None or start_s:
            stream.codec_context.time_base = Fraction(1, TICKS)
        if pixel_aspect is not None:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        if turn:
            stream.set_display_matrix(MATRICES[turn])
        sound = container.add_stream("aac" if path.suffix != ".webm" else "libopus", rate=48_000) if audio_s else None
        for number, time in enumerate(times or [index / Fraction(fps) for index in range(frames)]):
            picture = np.ascontiguousarray(np.rot90(numbered(number, *size), turn // 90))
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = round((time + Fraction(start_s)) * TICKS), Fraction(1, TICKS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            _hum(container, sound, audio_s)
    return path


def _hum(container: av.container.OutputContainer, stream: av.AudioStream, length_s: float) -> None:
    samples = 960
    for start in range(0, int(length_s * 48_000), samples):
        frame = av.AudioFrame.from_ndarray(np.full((2, samples), 0.1, np.float32), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, start, Fraction(1, 48_000)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
