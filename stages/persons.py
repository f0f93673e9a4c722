"""Find people on key frames, and pool the backbone's map in their boxes."""

from collections import deque
from dataclasses import dataclass
from math import ceil, floor
from typing import NamedTuple

import numpy as np

from detectors import persons, weights
from detectors.backbones.contract import Backbone
from detectors.inference.prepared import Precision, Steps
from detectors.persons.box_features import BoxFeatures
from detectors.persons.contract import PeopleInPicture
from detectors.persons.inference import PersonInference
from detectors.persons.looks import LENGTH, looks
from detectors.persons.shots import ShotChanges
from pipeline.records import FrameChunk, KeyFrames, PersonBoxes, Segment
from stages.box_file import BoxFile

_SLACK = 1e-6  # of a step: instants are sums of floats


@dataclass(frozen=True, slots=True)
class Around:
    """Which steps of the backbone tell of an instant: those whose middle is within half a window, and its own."""

    step_s: float
    window_s: float

    def __call__(self, time_s: float) -> tuple[int, int]:
        """The first and the last of them."""
        own = floor(time_s / self.step_s + _SLACK)
        first = ceil((time_s - self.window_s / 2) / self.step_s - 0.5 - _SLACK)
        last = floor((time_s + self.window_s / 2) / self.step_s - 0.5 + _SLACK)
        return min(first, own), max(last, own)

    @property
    def reach(self) -> int:
        """Steps looked at beyond the own one, at most, to either side."""
        return ceil(self.window_s / 2 / self.step_s) + 1 if self.window_s else 0


class Persons:
    """People of segments: a detector of its own, or the boxes of a file; what they do tells the backbone's map."""

    def __init__(
        self,
        *,
        detector: str,
        weights: str,
        boxes: BoxFile | None,
        min_score: float,
        precision: Precision,
        around: Around,
    ) -> None:
        self.detector = detector
        self.weights = weights
        self.boxes = boxes
        self.min_score = min_score
        self.precision: Precision = precision
        self.around = around

    def setup(self, backbone: Backbone, device: str) -> None:
        """Raises WeightsError."""
        self.box_features = BoxFeatures(backbone)
        if self.boxes is not None:
            self.boxes.setup()
            return
        network = persons.load(self.detector, weights.resolve(self.weights))
        self.inference = PersonInference(network, device=device, precision=self.precision, min_score=self.min_score)

    def found_on(self, key_frames: KeyFrames, video: str) -> list[PeopleInPicture]:
        if self.boxes is not None:
            return [self.boxes.at(video, time_s) for time_s in key_frames.times_F]
        return self.inference.detect(key_frames.pictures_FHWC)

    def of(self, segment: Segment) -> "SegmentPeople":
        """To be shown the segment's frames and maps."""
        return SegmentPeople(self, segment)


class _KeyFrame(NamedTuple):
    time_s: float
    found: PeopleInPicture
    looks_NL: np.ndarray


class SegmentPeople:
    """The people of one segment, gathered from its chunks and from the backbone's steps, which come later."""

    def __init__(self, stage: Persons, segment: Segment) -> None:
        self.stage, self.segment = stage, segment
        self._shots = ShotChanges()
        self._cuts: list[np.ndarray] = []  # numbers of frames that begin a shot
        self._times: list[np.ndarray] = []  # of all frames
        self._size = (1, 1)
        self._waiting: deque[_KeyFrame] = deque()
        self._maps: deque[np.ndarray] = deque()
        self._next_map = 0  # the step that follows those in _maps
        self._done: list[tuple[_KeyFrame, np.ndarray, np.ndarray | None]] = []

    def look(self, chunk: FrameChunk) -> None:
        """At frames, halo included, and at the key frames among them."""
        self._size = chunk.frames_THWC.shape[1], chunk.frames_THWC.shape[2]
        self._times.append(chunk.times_s)
        self._cuts.append(self._shots.push(chunk.frames_THWC))
        if chunk.key_frames is not None:
            found = self.stage.found_on(chunk.key_frames, self.segment.video.key)
            pictures, times_F = chunk.key_frames.pictures_FHWC, chunk.key_frames.times_F
            for picture_HWC, time_s, one in zip(pictures, times_F, found, strict=True):
                self._waiting.append(_KeyFrame(float(time_s), one, looks(picture_HWC, one.boxes_M4)))

    def take(self, first: int, steps: list[Steps]) -> None:
        """Steps of the backbone in order; the first of them is number `first` of the video."""
        for one in steps:
            assert one.maps_SCHW is not None
            if not self._maps:
                self._next_map = first
            self._maps.extend(one.maps_SCHW)
            self._next_map += len(one.maps_SCHW)
            first += len(one.maps_SCHW)
        while self._waiting and self.stage.around(self._waiting[0].time_s)[1] < self._next_map:
            self._pool(self._waiting.popleft())

    def finish(self) -> PersonBoxes:
        """The backbone has given all its steps."""
        while self._waiting and self._maps:
            self._pool(self._waiting.popleft())
        return self._boxes()

    def _pool(self, key_frame: _KeyFrame) -> None:
        first_map = self._next_map - len(self._maps)
        first, last = (min(max(step, first_map), self._next_map - 1) for step in self.stage.around(key_frame.time_s))
        for _ in range(first - first_map):
            self._maps.popleft()  # key frames still to come are later
        map_CHW = np.mean([self._maps[index] for index in range(last - first + 1)], axis=0)
        self._done.append((key_frame, *self.stage.box_features(map_CHW, key_frame.found.boxes_M4, self._size)))

    def _boxes(self) -> PersonBoxes:
        frames = [key_frame for key_frame, _, _ in self._done]
        features = [features_NC for _, features_NC, _ in self._done]
        logits = [logits_NK for _, _, logits_NK in self._done if logits_NK is not None]
        no_features, no_logits = self.stage.box_features.of_nobody
        no_looks = np.zeros((0, LENGTH), np.float16)
        return PersonBoxes(
            video=self.segment.video.key,
            times_F=np.array([frame.time_s for frame in frames]),
            frame_N=np.repeat(np.arange(len(frames)), [len(frame.found.scores_M) for frame in frames]).astype(np.int64),
            boxes_N4=np.concatenate([np.zeros((0, 4), np.float32), *(frame.found.boxes_M4 for frame in frames)]),
            scores_N=np.concatenate([np.zeros(0, np.float32), *(frame.found.scores_M for frame in frames)]),
            looks_NL=np.concatenate([no_looks, *(frame.looks_NL for frame in frames)]),
            features_NC=np.concatenate([no_features, *features]).astype(np.float16),
            logits_NK=None if no_logits is None else np.concatenate([no_logits, *logits]),
            cuts_M=self._cuts_s(),
        )

    def _cuts_s(self) -> np.ndarray:
        """Instants of the segment's own cuts."""
        if not self._times:
            return np.zeros(0)
        cuts_s = np.concatenate(self._times)[np.concatenate(self._cuts)]
        is_before_end = cuts_s < (np.inf if self.segment.is_last else self.segment.stop_s)
        own: np.ndarray = cuts_s[(cuts_s >= self.segment.start_s) & is_before_end]
        return own
