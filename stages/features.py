"""Run the backbone over a segment's frames as they arrive, and keep the steps that the segment owns."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Literal

import numpy as np
import torch

from detectors import backbones, weights
from detectors.backbones.stream import FeatureStream, Precision, Steps, prepare
from pipeline.records import DecodeReport, FeatureSequence, FrameChunk, Segment
from pipeline.spool import SegmentResult


class Features:
    """Turn a segment's chunks into features and class scores on the video's step grid."""

    def __init__(
        self,
        *,
        backbone: str,
        weights: str,
        precision: Precision,
        device: Literal["auto", "cpu", "cuda"],
        step_s: float,
        compute_frames: int = 64,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.precision: Precision = precision
        self.device = device
        self.step_s = step_s
        self.compute_frames = compute_frames

    def setup(self, threads: int | None = None) -> None:
        """Load the network, to run on that many CPU threads; raises WeightsError."""
        device = self.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.used_device = device
        network = backbones.load(self.backbone, weights.resolve(self.weights))
        self.network = prepare(network, device, self.precision)
        # Several segments may be under way; one thread serves them in turn, so that they share one pool of CPU threads.
        self._network_thread = ThreadPoolExecutor(max_workers=1, initializer=_use_threads, initargs=(threads,))

    def __call__(self, segment: Segment, decoded: Iterable[FrameChunk | DecodeReport]) -> SegmentResult:
        """Consumes what Decode yields; frames beyond the segment's ends serve as halo."""
        stream = FeatureStream(
            self.network, device=self.used_device, precision=self.precision, chunk_frames=self.compute_frames
        )
        first_s: float | None = None
        report = DecodeReport(end_s=None)
        parts: list[Steps] = []
        started, busy_s = time.perf_counter(), 0.0
        for item in decoded:
            if isinstance(item, DecodeReport):
                report = item
                continue
            first_s = item.times_s[0] if first_s is None else first_s
            busy_s += self._run(partial(stream.push, item.frames_THWC), parts)
        busy_s += self._run(stream.finish, parts)
        waiting_s = time.perf_counter() - started - busy_s
        return SegmentResult(self._owned(segment, parts, first_s), report, busy_s, waiting_s)

    def _run(self, work: Callable[[], Steps], parts: list[Steps]) -> float:
        """Do it on the network's thread, keep the steps, give the seconds it took."""
        steps, took_s = self._network_thread.submit(_timed, work).result()
        parts.append(steps)
        return took_s

    def _owned(self, segment: Segment, parts: list[Steps], first_s: float | None) -> FeatureSequence:
        features_SC, logits_SK = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        skip = 0 if first_s is None else round((segment.start_s - first_s) / self.step_s)
        stop = None if segment.is_last else skip + round((segment.stop_s - segment.start_s) / self.step_s)
        return FeatureSequence(
            video=segment.video.key,
            features_SC=features_SC[skip:stop].astype(np.float16),
            logits_SK=logits_SK[skip:stop],
            start_s=segment.start_s,
            step_s=self.step_s,
        )


def _use_threads(count: int | None) -> None:
    if count is not None:
        torch.set_num_threads(count)


def _timed(work: Callable[[], Steps]) -> tuple[Steps, float]:
    before = time.perf_counter()
    steps = work()
    return steps, time.perf_counter() - before
