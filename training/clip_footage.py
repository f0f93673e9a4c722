"""The pictures of clips, decoded as for detection; actions that fit into a budget of memory are decoded only once.

Shape letters: T frames, H rows, W columns, A samples of sound beside a frame.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Lock

import numpy as np

from detectors.backbones.contract import Contract
from pipeline.errors import StopRun, VideoError
from pipeline.records import FrameChunk, Segment, Video
from pipeline.settings import Config
from stages.build import build_feature_stages
from stages.decode import Decode
from training.clips import Action, ClipSplits, clip_starts

THREADS = 4  # that decode
SOUND_BYTES = 4
GIGABYTE = 1e9


@dataclass(frozen=True, eq=False, slots=True)
class Footage:
    """Consecutive samples of a video; before its first frame and after its last one these stay, without a sound."""

    frames_THWC: np.ndarray  # uint8 RGB
    sound_TA: np.ndarray | None  # float32, -1..1; None: the network is deaf

    def cut(self, first: int, count: int) -> "Footage":
        sound_TA = None if self.sound_TA is None else self.sound_TA[first : first + count]
        return Footage(self.frames_THWC[first : first + count], sound_TA)


class ClipReader:
    """Clips of actions, for any number of threads."""

    def __init__(self, config: Config, contract: Contract) -> None:
        """By a resolved config."""
        decode = build_feature_stages(config).decode
        assert isinstance(decode, Decode)
        self.decode = Decode(replace(decode.sampling, halo_before=0, halo_after=0, key_frames=None))
        self.clip_frames = contract.clip_frames
        self._locks: dict[Action, Lock] = {}  # of all that are kept once they are decoded
        self._kept: dict[Action, Footage] = {}

    def keep(self, actions: Iterable[Action], memory_gb: float) -> None:
        """Keep as many of them as the memory holds, short ones first."""
        sizes = {action: self._bytes(action) for action in actions}
        left = memory_gb * GIGABYTE
        for action in sorted(sizes, key=sizes.__getitem__):
            left -= sizes[action]
            if left < 0:
                break
            self._locks.setdefault(action, Lock())

    def starts(self, action: Action) -> range:
        """Samples at which its clips may begin; below 0 before the video does."""
        return clip_starts(action.frames(self.decode.sampling.rate), self.clip_frames)

    def picture(self, video: Video) -> tuple[int, int]:
        """Height and width of its clips, pixels."""
        size = self.decode.sampling.size
        return (size.short_side, size.short_side) if size.fit == "crop" else size.of(video)

    def clip(self, action: Action, start: int) -> Footage:
        """Raises VideoError if it cannot be read, or the video ends before it."""
        lock = self._locks.get(action)
        if lock is None:
            return self._decoded(action.video, range(start, start + self.clip_frames))
        with lock:
            if action not in self._kept:
                self._kept[action] = self._decoded(action.video, self._all(action))
        return self._kept[action].cut(start - self._all(action).start, self.clip_frames)

    def _all(self, action: Action) -> range:
        """The samples of all its clips."""
        starts = self.starts(action)
        return range(starts.start, starts[-1] + self.clip_frames)

    def _bytes(self, action: Action) -> int:
        height, width = self.picture(action.video)
        return len(self._all(action)) * (height * width * 3 + self.decode.sampling.sound_per_frame * SOUND_BYTES)

    def _decoded(self, video: Video, samples: range) -> Footage:
        rate = self.decode.sampling.rate
        first = max(samples.start, 0)
        segment = Segment(video, 0, float(first / rate), float(samples.stop / rate), is_last=False)
        chunks = [item for item in self.decode(segment) if isinstance(item, FrameChunk) and len(item.times_s)]
        if not chunks:
            raise VideoError("Truncated", f"it shows nothing from {segment.start_s:.1f} s on")
        frames_THWC = np.concatenate([chunk.frames_THWC for chunk in chunks])
        rows = np.arange(samples.start - first, samples.stop - first)
        return Footage(frames_THWC[rows.clip(0, len(frames_THWC) - 1)], _sound(chunks, rows))


def _sound(chunks: list[FrameChunk], rows: np.ndarray) -> np.ndarray | None:
    """Of these frames (T, A), silence where there is none."""
    parts = [chunk.sound_TA for chunk in chunks if chunk.sound_TA is not None]
    if not parts:
        return None
    sound_TA = np.concatenate(parts)
    is_there_T = (rows >= 0) & (rows < len(sound_TA))
    return np.where(is_there_T[:, None], sound_TA[rows.clip(0, len(sound_TA) - 1)], np.float32(0))


def problems(reader: ClipReader, actions: Iterable[Action]) -> Iterator[str | None]:
    """Of each action in order, why its last clip cannot be read, if it cannot."""
    pool = ThreadPoolExecutor(THREADS)
    try:
        yield from pool.map(lambda action: _problem(reader, action), actions)
    finally:
        pool.shutdown(cancel_futures=True)


def _problem(reader: ClipReader, action: Action) -> str | None:
    try:
        reader.clip(action, reader.starts(action)[-1])
    except VideoError as error:
        return f"{action.name} {action.start_s:.1f}-{action.stop_s:.1f} s is left out: {error}"
    return None


def without(splits: ClipSplits, problems: Iterable[str | None]) -> ClipSplits:
    """The splits without actions that have a problem, training first. Raises StopRun if one has nothing left."""
    found = list(problems)
    parts, first = [], 0
    for actions in (splits.training, splits.validation):
        own = found[first : first + len(actions)]
        parts.append(tuple(action for action, problem in zip(actions, own, strict=True) if problem is None))
        first += len(actions)
    told = tuple(problem for problem in found if problem is not None)
    return ClipSplits(parts[0], parts[1], splits.class_names, (*splits.notices, *told))


def readable_clip(reader: ClipReader, action: Action, start: int) -> Footage:
    """Raises StopRun where the clip cannot be read any more."""
    try:
        return reader.clip(action, start)
    except VideoError as error:
        raise StopRun(f"{action.video.key}: {error}; mend it, or leave it out of --videos, and begin anew") from None
