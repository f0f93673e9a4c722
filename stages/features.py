"""Run the backbone over a segment's frames as they arrive, and keep the steps that the segment owns."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Literal, TypeVar

import numpy as np
import torch

from detectors import backbones, weights
from detectors.backbones.contract import Contract
from detectors.inference.prepared import Compile, Inference, Precision, Steps
from detectors.inference.stream import FeatureStream, open_stream
from pipeline.records import DecodeReport, FeatureSequence, FrameChunk, PersonBoxes, Segment
from pipeline.spool import SegmentResult
from stages.persons import Persons

T = TypeVar("T")

AT_ONCE = {"cpu": 32, "cuda": 256}  # frames; on a CPU few, so that what a layer makes stays in its caches


class Features:
    """Turn a segment's chunks into features and class scores on the video's step grid; and people, if wanted."""

    def __init__(
        self,
        *,
        backbone: str,
        weights: str,
        design: dict[str, Any],
        precision: Precision,
        compile_mode: Compile,
        device: Literal["auto", "cpu", "cuda"],
        compute_frames: int | Literal["auto"],
        contract: Contract,
        step_s: float,
        persons: Persons | None = None,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.design = design  # how the backbone is built, where it leaves that open
        self.precision: Precision = precision
        self.compile_mode: Compile = compile_mode
        self.device = device
        self.compute_frames = compute_frames
        self.contract = contract  # the backbone's, as it is run here
        self.step_s = step_s
        self.persons = persons

    def setup(self, threads: int | None = None) -> None:
        """Load the network, to run on that many CPU threads; raises WeightsError."""
        device = used_device(self.device)
        network = backbones.load(self.backbone, weights.resolve(self.weights), **self.design)
        if self.persons is not None:
            self.persons.setup(network, device)
        self.inference = Inference(
            network,
            device=device,
            precision=self.precision,
            compile_mode=self.compile_mode,
            contract=self.contract,
        )
        frames, stride = at_once(self.compute_frames, device), self.contract.stride
        self.chunk_frames = -(-frames // stride) * stride
        # Several segments may be under way; one thread serves them in turn, so that they share one pool of CPU threads.
        self.network_thread = ThreadPoolExecutor(max_workers=1, initializer=_use_threads, initargs=(threads,))

    def __call__(self, segment: Segment, decoded: Iterable[FrameChunk | DecodeReport]) -> SegmentResult:
        """Consumes what Decode yields; frames beyond the segment's ends serve as halo."""
        work = _SegmentWork(self, segment)
        report = DecodeReport(end_s=None)
        started = time.perf_counter()
        for item in decoded:
            if isinstance(item, DecodeReport):
                report = item
            else:
                work.take(item)
        people = work.finish(is_end=report.end_s is not None)
        busy_s = {"features": work.features_s} | ({} if people is None else {"persons": work.persons_s})
        waiting_s = time.perf_counter() - started - sum(busy_s.values())
        return SegmentResult(work.owned(), report, busy_s, waiting_s, people)


class _SegmentWork:
    """One segment on its way through the networks."""

    def __init__(self, stage: Features, segment: Segment) -> None:
        self.stage, self.segment = stage, segment
        self.people = None if stage.persons is None else stage.persons.of(segment)
        self.features_s = self.persons_s = 0.0
        self._stream: FeatureStream | None = None
        self._first_step = 0  # of those in _parts, counted over the video
        self._steps = 0  # how many these are
        self._parts: list[Steps] = []

    def take(self, chunk: FrameChunk) -> None:
        if self.people is not None:
            self.persons_s += self._run(partial(self.people.look, chunk))[1]
        if len(chunk.times_s):
            if self._stream is None:
                self._stream = self._open(float(chunk.times_s[0]))
            self._compute(partial(self._stream.push, chunk.frames_THWC, chunk.sound_TA))

    def finish(self, *, is_end: bool) -> PersonBoxes | None:
        """`is_end`: of the video. People are given, unless they are not looked for."""
        if self._stream is not None:
            self._compute(partial(self._stream.finish, end=is_end))
        if self.people is None:
            return None
        boxes, took_s = self._run(self.people.finish)
        self.persons_s += took_s
        return boxes

    def owned(self) -> FeatureSequence:
        """The segment's own steps, without the maps."""
        segment, contract, step_s = self.segment, self.stage.contract, self.stage.step_s
        nothing = (
            np.zeros((0, contract.feature_channels), np.float32),
            np.zeros((0, len(contract.class_names)), np.float32),
        )
        features_SC = np.concatenate([nothing[0], *(part.features_SC for part in self._parts)])
        logits_SK = None
        if self.stage.inference.head is not None:
            logits = (part.logits_SK for part in self._parts if part.logits_SK is not None)
            logits_SK = np.concatenate([nothing[1], *logits])
        skip = round(segment.start_s / step_s) - self._first_step if self._parts else 0
        stop = None if segment.is_last else skip + round((segment.stop_s - segment.start_s) / step_s)
        return FeatureSequence(
            video=segment.video.key,
            features_SC=features_SC[skip:stop].astype(np.float16),
            logits_SK=None if logits_SK is None else logits_SK[skip:stop],
            start_s=segment.start_s,
            step_s=step_s,
        )

    def _open(self, first_s: float) -> FeatureStream:
        stage = self.stage
        stream = open_stream(
            stage.inference, cut=first_s > 0, chunk_frames=stage.chunk_frames, maps=self.people is not None
        )
        self._first_step = round(first_s / stage.step_s) + stream.first_step
        return stream

    def _compute(self, work: Callable[[], list[Steps]]) -> None:
        steps, took_s = self._run(work)
        self.features_s += took_s
        if self.people is not None:
            self.persons_s += self._run(partial(self.people.take, self._first_step + self._steps, steps))[1]
        for one in steps:
            self._steps += len(one.features_SC)
            self._parts.append(one._replace(maps_SCHW=None))

    def _run(self, work: Callable[[], T]) -> tuple[T, float]:
        """Do it on the network's thread; what came of it, and the seconds it took."""
        return self.stage.network_thread.submit(_timed, work).result()


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


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    before = time.perf_counter()
    result = work()
    return result, time.perf_counter() - before
