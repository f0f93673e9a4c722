"""Run the backbone over a segment's frames as they arrive, and keep the steps that the segment owns."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Literal

import numpy as np
import torch

from detectors import backbones, weights
from detectors.inference.prepared import Compile, Inference, Precision, Steps
from detectors.inference.stream import FeatureStream, open_stream
from pipeline.records import DecodeReport, FeatureSequence, FrameChunk, Segment
from pipeline.spool import SegmentResult

AT_ONCE = {"cpu": 32, "cuda": 256}  # frames; on a CPU few, so that what a layer makes stays in its caches


class Features:
    """Turn a segment's chunks into features and class scores on the video's step grid."""

    def __init__(
        self,
        *,
        backbone: str,
        weights: str,
        precision: Precision,
        compile_mode: Compile,
        device: Literal["auto", "cpu", "cuda"],
        compute_frames: int | Literal["auto"],
        step_s: float,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.precision: Precision = precision
        self.compile_mode: Compile = compile_mode
        self.device = device
        self.compute_frames = compute_frames
        self.step_s = step_s

    def setup(self, threads: int | None = None) -> None:
        """Load the network, to run on that many CPU threads; raises WeightsError."""
        device = used_device(self.device)
        path = None if self.weights == backbones.RANDOM else weights.resolve(self.weights)
        network = backbones.load(self.backbone, path)
        self.inference = Inference(network, device=device, precision=self.precision, compile_mode=self.compile_mode)
        frames, stride = at_once(self.compute_frames, device), network.contract.stride
        self.chunk_frames = -(-frames // stride) * stride
        # Several segments may be under way; one thread serves them in turn, so that they share one pool of CPU threads.
        self._network_thread = ThreadPoolExecutor(max_workers=1, initializer=_use_threads, initargs=(threads,))

    def __call__(self, segment: Segment, decoded: Iterable[FrameChunk | DecodeReport]) -> SegmentResult:
        """Consumes what Decode yields; frames beyond the segment's ends serve as halo."""
        stream: FeatureStream | None = None
        first_s = 0.0
        report = DecodeReport(end_s=None)
        parts: list[Steps] = []
        started, busy_s = time.perf_counter(), 0.0
        for item in decoded:
            if isinstance(item, DecodeReport):
                report = item
                continue
            if stream is None:
                first_s = float(item.times_s[0])
                stream = open_stream(self.inference, cut=first_s > 0, chunk_frames=self.chunk_frames)
            busy_s += self._run(partial(stream.push, item.frames_THWC), parts)
        if stream is not None:
            busy_s += self._run(partial(stream.finish, end=report.end_s is not None), parts)
            first_s += stream.first_step * self.step_s
        waiting_s = time.perf_counter() - started - busy_s
        return SegmentResult(self._owned(segment, parts, first_s), report, busy_s, waiting_s)

    def _run(self, work: Callable[[], list[Steps]], parts: list[Steps]) -> float:
        """Do it on the network's thread, keep the steps, give the seconds it took."""
        steps, took_s = self._network_thread.submit(_timed, work).result()
        parts.extend(steps)
        return took_s

    def _owned(self, segment: Segment, parts: list[Steps], first_s: float) -> FeatureSequence:
        """The segment's own steps; the first one there is begins at `first_s`."""
        contract = self.inference.contract
        nothing = (
            np.zeros((0, contract.feature_channels), np.float32),
            np.zeros((0, len(contract.class_names)), np.float32),
        )
        features_SC = np.concatenate([nothing[0], *(part.features_SC for part in parts)])
        logits_SK = None
        if self.inference.head is not None:
            logits_SK = np.concatenate([nothing[1], *(part.logits_SK for part in parts if part.logits_SK is not None)])
        skip = round((segment.start_s - first_s) / self.step_s) if parts else 0
        stop = None if segment.is_last else skip + round((segment.stop_s - segment.start_s) / self.step_s)
        return FeatureSequence(
            video=segment.video.key,
            features_SC=features_SC[skip:stop].astype(np.float16),
            logits_SK=None if logits_SK is None else logits_SK[skip:stop],
            start_s=segment.start_s,
            step_s=self.step_s,
        )


def used_device(device: Literal["auto", "cpu", "cuda"]) -> str:
    """auto: a GPU if there is one."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device


def at_once(compute_frames: int | Literal["auto"], device: str) -> int:
    """Frames that the backbone takes at once."""
    return AT_ONCE[device] if compute_frames == "auto" else compute_frames


def _use_threads(count: int | None) -> None:
    if count is not None:
        torch.set_num_threads(count)


def _timed(work: Callable[[], list[Steps]]) -> tuple[list[Steps], float]:
    before = time.perf_counter()
    steps = work()
    return steps, time.perf_counter() - before
