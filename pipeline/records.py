"""What crosses from stage to stage: frozen records that refuse a wrong shape. Knows no stage, model or engine.

Shape letters: T frames, H rows, W columns, S backbone steps, C feature channels, K classes, N spans or boxes,
F key frames, M cuts, L numbers of a look, A actions of people, U tubes; of sound, A samples beside a frame.
Times are seconds on the video's own timeline, whose zero is the first shown frame; spans are half-open [start, stop).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from pipeline.errors import Refusal

Span = tuple[float, float]


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def require_spans(spans_N2: np.ndarray) -> None:
    _require(spans_N2.ndim == 2 and spans_N2.shape[1] == 2, f"spans must be (N, 2), got {spans_N2.shape}")


@dataclass(frozen=True, slots=True)
class Source:
    """One input as it was listed, not yet opened. `error` holds (class, sentence) if listing already ruled it out."""

    key: str  # the name in the tables
    uri: str  # where to read it: a path, or a URI that pyarrow.fs opens
    size: int  # bytes
    error: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Video:
    """One input, probed."""

    key: str
    uri: str
    fingerprint: str  # of the content
    duration_s: float  # as far as the probe can tell; what is decoded decides in the end
    announced_s: float | None  # what the container promises for the picture, None if it promises nothing
    fps: Fraction  # average; never used to tell time
    width: int  # as shown: after rotation and pixel aspect
    height: int
    codec: str
    rotation: int  # degrees counter-clockwise that a decoded frame must be turned: 0, 90, 180, 270
    origin: Fraction  # presentation time of the first shown frame, seconds on the container's clock


@dataclass(frozen=True, slots=True)
class Segment:
    """A span of a video that one worker handles in one go; the last one reaches to wherever the video really ends."""

    video: Video
    index: int
    start_s: float
    stop_s: float
    is_last: bool


@dataclass(frozen=True, eq=False, slots=True)
class KeyFrames:
    """Pictures in which people are looked for, at the size that their detector wants."""

    pictures_FHWC: np.ndarray  # uint8 RGB
    times_F: np.ndarray  # float64 seconds

    def __post_init__(self) -> None:
        shape = self.pictures_FHWC.shape
        _require(len(shape) == 4 and shape[3] == 3, f"pictures must be (F, H, W, 3), got {shape}")
        _require(self.times_F.shape == shape[:1], f"times must be ({shape[0]},), got {self.times_F.shape}")


@dataclass(frozen=True, eq=False, slots=True)
class FrameChunk:
    """Consecutive samples of a segment: frame i is the one on screen at times_s[i]."""

    video: str
    frames_THWC: np.ndarray  # uint8 RGB
    times_s: np.ndarray  # float64 (T,), the sample instants
    key_frames: KeyFrames | None = None  # the segment's own, as far as they were decoded along with these
    sound_TA: np.ndarray | None = None  # float32, -1..1: row i from the instant of frame i on; None if not asked for

    def __post_init__(self) -> None:
        shape = self.frames_THWC.shape
        _require(self.frames_THWC.dtype == np.uint8, f"frames must be uint8, got {self.frames_THWC.dtype}")
        _require(len(shape) == 4 and shape[3] == 3, f"frames must be (T, H, W, 3), got {shape}")
        _require(self.times_s.shape == shape[:1], f"times must be ({shape[0]},), got {self.times_s.shape}")
        if self.sound_TA is not None:
            sound, kind = self.sound_TA.shape, self.sound_TA.dtype
            _require(kind == np.float32, f"sound must be float32, got {kind}")
            _require(len(sound) == 2 and sound[0] == shape[0], f"sound must be ({shape[0]}, A), got {sound}")

    @property
    def duration_s(self) -> float:
        """From the first instant to the last."""
        return float(self.times_s[-1] - self.times_s[0]) if len(self.times_s) else 0.0


@dataclass(frozen=True, slots=True)
class Failure:
    """What was lost and why; `span_s` is None when it is the whole video."""

    video: str
    stage: str
    error_class: str
    message: str
    span_s: Span | None = None


@dataclass(frozen=True, slots=True)
class DecodeReport:
    """What a segment's decoding came to; the last item that decoding yields."""

    end_s: float | None  # where the video ends, if this segment reached the end
    lost: tuple[Failure, ...] = ()  # spans inside the segment without a readable picture
    frames: int = 0  # frames decoded, halo and run-up included
    busy_s: float = 0.0
    waiting_s: float = 0.0  # held back by a full queue downstream


@dataclass(frozen=True, eq=False, slots=True)
class FeatureSequence:
    """Backbone output on a fixed time grid: step j covers start_s + [j, j + 1) * step_s."""

    video: str
    features_SC: np.ndarray  # float16 or float32
    logits_SK: np.ndarray | None  # float32 class scores before softmax, None if the backbone has no head
    start_s: float
    step_s: float

    def __post_init__(self) -> None:
        _require(self.features_SC.ndim == 2, f"features must be (S, C), got {self.features_SC.shape}")
        if self.logits_SK is not None:
            shape = self.logits_SK.shape
            _require(len(shape) == 2 and shape[0] == len(self), f"logits must be ({len(self)}, K), got {shape}")
        _require(self.step_s > 0, f"step_s must be positive, got {self.step_s}")

    def __len__(self) -> int:
        return int(self.features_SC.shape[0])


@dataclass(frozen=True, eq=False, slots=True)
class Proposals:
    """Class-agnostic spans."""

    spans_N2: np.ndarray  # float64 seconds
    scores_N: np.ndarray

    def __post_init__(self) -> None:
        require_spans(self.spans_N2)
        count = len(self.spans_N2)
        _require(self.scores_N.shape == (count,), f"scores must be ({count},), got {self.scores_N.shape}")

    def __len__(self) -> int:
        return len(self.spans_N2)


@dataclass(frozen=True, eq=False, slots=True)
class Detections:
    """Classified spans."""

    spans_N2: np.ndarray  # float64 seconds
    labels_N: np.ndarray  # int64 class ids
    scores_N: np.ndarray  # float64, 0..1

    def __post_init__(self) -> None:
        require_spans(self.spans_N2)
        count = len(self.spans_N2)
        _require(self.labels_N.shape == (count,), f"labels must be ({count},), got {self.labels_N.shape}")
        _require(self.scores_N.shape == (count,), f"scores must be ({count},), got {self.scores_N.shape}")

    def __len__(self) -> int:
        return len(self.spans_N2)


@dataclass(frozen=True, eq=False, slots=True)
class PersonBoxes:
    """People on the key frames of a stretch of video, frame by frame, and what the backbone sees in their boxes."""

    video: str
    times_F: np.ndarray  # float64 seconds of the key frames, ascending; on some there is nobody
    frame_N: np.ndarray  # int64, which of these a box is on, ascending
    boxes_N4: np.ndarray  # float32 x1, y1, x2, y2 in 0..1 of the picture
    scores_N: np.ndarray  # float32, that this is a person
    looks_NL: np.ndarray  # float16, what the person looks like, to be known again by
    features_NC: np.ndarray  # float16, the backbone's map inside the box
    logits_NK: np.ndarray | None  # float32 class scores of these, None if the backbone has no head for them
    cuts_M: np.ndarray  # float64 seconds, where another shot begins

    def __post_init__(self) -> None:
        count = len(self.frame_N)
        _require(self.boxes_N4.shape == (count, 4), f"boxes must be ({count}, 4), got {self.boxes_N4.shape}")
        _require(self.scores_N.shape == (count,), f"scores must be ({count},), got {self.scores_N.shape}")
        for name in ("looks_NL", "features_NC", "logits_NK"):
            rows = getattr(self, name)
            if rows is not None:
                _require(rows.ndim == 2 and len(rows) == count, f"{name} must have {count} rows, got {rows.shape}")

    def __len__(self) -> int:
        return len(self.frame_N)

    def rows_outside(self, spans: Sequence[Span]) -> np.ndarray:
        """Of boxes on key frames that none of these spans of seconds holds."""
        times_N = self.times_F[self.frame_N]
        is_within_N = np.zeros(len(self), bool)
        for start_s, stop_s in spans:
            is_within_N |= (times_N >= start_s) & (times_N < stop_s)
        return np.flatnonzero(~is_within_N)


@dataclass(frozen=True, eq=False, slots=True)
class Tracks:
    """A video's people on its key frames, each with the number of its track."""

    times_N: np.ndarray  # float64 seconds, ascending
    boxes_N4: np.ndarray  # float32 x1, y1, x2, y2 in 0..1 of the picture
    scores_N: np.ndarray  # float32
    tracks_N: np.ndarray  # int64

    def __len__(self) -> int:
        return len(self.times_N)


@dataclass(frozen=True, eq=False, slots=True)
class PersonActions:
    """What people do on key frames, any number of things at once."""

    rows_A: np.ndarray  # int64, which row of the video's Tracks, ascending
    labels_A: np.ndarray  # int64 class ids
    scores_A: np.ndarray  # float64, 0..1


@dataclass(frozen=True, eq=False, slots=True)
class Tubes:
    """Actions of one person over time."""

    tracks_U: np.ndarray  # int64
    spans_U2: np.ndarray  # float64 seconds
    labels_U: np.ndarray  # int64 class ids, -1: nothing that the person does is sure enough
    scores_U: np.ndarray  # float64, 0..1, then NaN

    def __len__(self) -> int:
        return len(self.tracks_U)


@dataclass(frozen=True, eq=False, slots=True)
class People:
    """Who does what, where and when in a video."""

    tracks: Tracks
    actions: PersonActions
    tubes: Tubes


@dataclass(frozen=True, slots=True)
class StageTimes:
    """Seconds that stages worked and waited; adds up."""

    busy_s: dict[str, float] = field(default_factory=dict)
    waiting_s: dict[str, float] = field(default_factory=dict)

    def __add__(self, other: "StageTimes") -> "StageTimes":
        return StageTimes(_sum(self.busy_s, other.busy_s), _sum(self.waiting_s, other.waiting_s))


def _sum(left: dict[str, float], right: dict[str, float]) -> dict[str, float]:
    return {name: left.get(name, 0.0) + right.get(name, 0.0) for name in left | right}


@dataclass(frozen=True, eq=False, slots=True)
class Outcome:
    """All that is known of one video at its end: what `videos` says of it, and its rows in the other tables."""

    source: Source
    fingerprint: str
    video: Video | None  # None if it could not even be probed
    detections: Detections | None  # None if nothing of it could be used
    failures: tuple[Failure, ...] = ()
    end_s: float | None = None
    n_segments: int = 0
    times: StageTimes = StageTimes()
    wall_s: float = 0.0
    people: People | None = None  # None if people were not looked for

    @property
    def status(self) -> str:
        if self.detections is None:
            return "failed"
        return "partial" if self.failures else "ok"
