"""Batches of clips, drawn anew every epoch, decoded beside the computing, and as a network wants them.

Shape letters: N clips, C channels, T frames, H rows, W columns, A samples of sound beside a frame.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from detectors.backbones.contract import Contract
from pipeline.training_settings import TrainingSettings
from training.clip_footage import THREADS, ClipReader, Footage, readable_clip
from training.clips import Action, spaced_starts

AHEAD = 2  # batches that are decoded while one is computed


@dataclass(frozen=True, slots=True)
class Cut:
    """What of the picture a clip shows: a part of its sides, and where the part lies, 0 to 1; mirrored or not."""

    share: float = 1.0
    top: float = 0.5
    left: float = 0.5
    mirrored: bool = False


WHOLE = Cut()


@dataclass(frozen=True, slots=True)
class Drawn:
    """A clip to be decoded."""

    action: Action
    number: int  # of the action
    start: int  # sample
    cut: Cut = WHOLE


@dataclass(frozen=True, eq=False, slots=True)
class ClipBatch:
    """Clips of one size, decoded."""

    drawn: Sequence[Drawn]
    frames_NTHWC: np.ndarray  # uint8 RGB
    sound_NTA: np.ndarray | None


def training_batches(
    actions: Sequence[Action], reader: ClipReader, settings: TrainingSettings, epoch: int
) -> list[list[Drawn]]:
    """A clip of each action, begun anywhere in it; only the seed and the epoch decide which, and how it is varied."""
    rng = np.random.default_rng([settings.seed, epoch])
    drawn = []
    for number in rng.permutation(len(actions)).tolist():
        starts = reader.starts(actions[number])
        start = starts[int(rng.integers(0, len(starts)))]
        share, top, left, turn = rng.random(4).tolist()
        smallest, flip = settings.clips.crop, settings.clips.flip and turn < 0.5
        cut = Cut(smallest + (1 - smallest) * share, top, left, flip)
        drawn.append(Drawn(actions[number], number, start, cut))
    batches = _of_one_size(drawn, reader, settings.clips.batch)
    return [batches[index] for index in rng.permutation(len(batches)).tolist()]


def validation_batches(actions: Sequence[Action], reader: ClipReader, settings: TrainingSettings) -> list[list[Drawn]]:
    """Evenly spaced clips of each action."""
    drawn = [
        Drawn(action, number, start)
        for number, action in enumerate(actions)
        for start in spaced_starts(reader.starts(action), settings.clips.test_clips)
    ]
    return _of_one_size(drawn, reader, settings.clips.batch)


def _of_one_size(drawn: Iterable[Drawn], reader: ClipReader, batch: int) -> list[list[Drawn]]:
    """Batches of clips whose pictures are equally large, all but equally many in each, lest the last be of one."""
    by_size: dict[tuple[int, int], list[Drawn]] = defaultdict(list)
    for one in drawn:
        by_size[reader.picture(one.action.video)].append(one)
    batches = []
    for own in by_size.values():
        ends = np.linspace(0, len(own), -(-len(own) // batch) + 1).round().astype(int).tolist()
        batches += [own[first:stop] for first, stop in pairwise(ends)]
    return batches


def decoded(reader: ClipReader, batches: Iterable[Sequence[Drawn]]) -> Iterator[ClipBatch]:
    """Each in order. Raises StopRun if a clip cannot be read any more."""
    waiting: deque[tuple[Sequence[Drawn], list[Future[Footage]]]] = deque()
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="clips")
    try:
        for drawn in batches:
            waiting.append((drawn, [pool.submit(readable_clip, reader, one.action, one.start) for one in drawn]))
            if len(waiting) > AHEAD:
                yield _batch(*waiting.popleft())
        while waiting:
            yield _batch(*waiting.popleft())
    finally:
        pool.shutdown(cancel_futures=True)


def _batch(drawn: Sequence[Drawn], futures: Sequence[Future[Footage]]) -> ClipBatch:
    footage = [future.result() for future in futures]
    sound = [one.sound_TA for one in footage if one.sound_TA is not None]
    frames_NTHWC = np.stack([one.frames_THWC for one in footage])
    return ClipBatch(drawn, frames_NTHWC, np.stack(sound) if sound else None)


def inputs_of(batch: ClipBatch, contract: Contract, device: torch.device | str) -> tuple[Tensor, ...]:
    """What the network takes: clips (N, 3, T, H, W), normalised, channels last as they lie; sound if it hears."""
    mean, std = (
        torch.tensor(colour, device=device).view(1, 3, 1, 1, 1) * 255 for colour in (contract.mean, contract.std)
    )
    frames_NCTHW = torch.from_numpy(batch.frames_NTHWC).to(device).permute(0, 4, 1, 2, 3)
    clips_NCTHW = (frames_NCTHW - mean) / std
    for number, one in enumerate(batch.drawn):
        if one.cut != WHOLE:
            clips_NCTHW[number] = shown(clips_NCTHW[number], one.cut)
    if not contract.sound_per_frame:
        return (clips_NCTHW,)
    assert batch.sound_NTA is not None
    return clips_NCTHW, torch.from_numpy(batch.sound_NTA).to(device)


def shown(clip_CTHW: Tensor, cut: Cut) -> Tensor:
    """The part of the picture that a cut shows, as large as the whole was."""
    rows, columns = clip_CTHW.shape[2:]
    height, width = max(1, round(cut.share * rows)), max(1, round(cut.share * columns))
    top, left = round(cut.top * (rows - height)), round(cut.left * (columns - width))
    part_CTHW = clip_CTHW[:, :, top : top + height, left : left + width]
    if (height, width) != (rows, columns):
        whole_TCHW = functional.interpolate(part_CTHW.transpose(0, 1), (rows, columns), mode="bilinear")
        part_CTHW = whole_TCHW.transpose(0, 1)
    return part_CTHW.flip(3) if cut.mirrored else part_CTHW
