"""People to learn from: annotated boxes on key frames, with what the backbone saw in them.

Shape letters: N boxes, R rows of annotations, C channels, K classes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from annotations.key_frames import key_frame_numbers
from annotations.records import Annotations, Frame, LabelledBoxes, LabelledSpans
from annotations.split import split_by_fraction
from pipeline.errors import StopRun
from pipeline.extract import Extracted
from pipeline.records import PersonBoxes, Span
from pipeline.spool import SpooledPeople
from training.collect import FRACTION, named


@dataclass(frozen=True, eq=False, slots=True)
class AnnotatedPeople:
    """Boxes of some videos, each once."""

    frames: tuple[Frame, ...]  # that `frame_N` points into
    frame_N: np.ndarray  # int64
    boxes_N4: np.ndarray  # float64, as annotated
    features_NC: np.ndarray  # float16
    does_NK: np.ndarray  # bool

    def __len__(self) -> int:
        return len(self.frame_N)


@dataclass(eq=False, slots=True)
class PeopleSplits:
    """What a training of a head works on."""

    training: AnnotatedPeople
    validation: AnnotatedPeople
    class_ids: tuple[int, ...]  # as the annotations number them: all that somebody does in the training videos
    class_names: tuple[str, ...]
    notices: list[str] = field(default_factory=list)


def split_people(boxes: LabelledBoxes, fraction: float | None, *, seed: int) -> tuple[LabelledBoxes, LabelledBoxes]:
    """Rows of the videos to train on and to validate on, whole videos by name. Raises AnnotationError."""
    videos, video_R = _videos(boxes)
    idle = [video for video in dict.fromkeys(video for video, _ in boxes.frames) if video not in set(videos)]
    someone = np.arange(len(videos))
    nothing = np.zeros((len(videos), 2)), np.zeros(len(videos), np.int64)
    spans = LabelledSpans((*videos, *idle), ("someone",), someone, *nothing)
    unknown = (None,) * len(spans.videos)
    _, held_out = split_by_fraction(Annotations(spans, unknown, unknown), fraction or FRACTION, seed)
    is_held_out_R = np.isin(video_R, [videos.index(video) for video in held_out.spans.videos if video in videos])
    return boxes.where(~is_held_out_R), boxes.where(is_held_out_R)


def _videos(boxes: LabelledBoxes) -> tuple[list[str], np.ndarray]:
    """Those where somebody is, and which of these each row is of (R,)."""
    used, frame_R = np.unique(boxes.frame_N, return_inverse=True)
    video_of = [boxes.frames[frame][0] for frame in used.tolist()]
    videos = list(dict.fromkeys(video_of))
    number_of = {video: number for number, video in enumerate(videos)}
    return videos, np.array([number_of[video] for video in video_of], np.int64)[frame_R]


def collect_people(
    training: LabelledBoxes,
    validation: LabelledBoxes,
    extracted: Mapping[str, Extracted],
    names: Mapping[int, str],
    *,
    rate: float,
    shuffle_seed: int | None,
) -> PeopleSplits:
    """Annotated people of both splits that have features; `names` are those of classes by number.

    Raises StopRun if one split has nobody. With a `shuffle_seed` what people do changes places at random.
    """
    does = np.unique(training.action_N)
    own, notices = _seen(training, extracted, does, rate)
    ids = does[own.does_NK.any(axis=0)]  # what nobody who is seen does cannot be learned
    splits = PeopleSplits(own, own, tuple(ids.tolist()), tuple(names[number] for number in ids.tolist()), notices)
    splits.training = replace(own, does_NK=own.does_NK[:, np.isin(does, ids)])
    splits.validation, more = _seen(validation, extracted, ids, rate)
    splits.notices += more
    for people, what in ((splits.training, "to train on"), (splits.validation, "to validate on")):
        if not people.does_NK.any():
            raise StopRun(f"there is nobody {what} who is annotated and in a video that can be used")
    _tell_unlearned(splits, training, validation, names)
    if shuffle_seed is not None:
        shuffled = np.random.default_rng(shuffle_seed).permutation(splits.training.does_NK)
        splits.training = replace(splits.training, does_NK=shuffled)
    return splits


def _tell_unlearned(
    splits: PeopleSplits, training: LabelledBoxes, validation: LabelledBoxes, names: Mapping[int, str]
) -> None:
    annotated = np.unique(np.concatenate([training.action_N, validation.action_N]))
    unlearned = [names[number] for number in annotated.tolist() if number not in splits.class_ids]
    if unlearned:
        splits.notices.append(
            f"{len(unlearned)} classes are not learned, nobody to train on does them: {named(unlearned)}"
        )


def _seen(
    boxes: LabelledBoxes, extracted: Mapping[str, Extracted], ids: np.ndarray, rate: float
) -> tuple[AnnotatedPeople, list[str]]:
    """People that the backbone saw, and a line about those it did not."""
    videos, video_R = _videos(boxes)
    parts, notices = [], []
    for number, video in enumerate(videos):
        features = extracted[video].features if video in extracted else None
        if features is None:
            continue
        own = boxes.where(video_R == number)
        paths = [features.folder / segment.file for segment in features.segments]
        part = people_in(own, SpooledPeople(paths, video), features.lost, ids, rate)
        annotated = len(np.unique(np.column_stack([own.frame_N, own.boxes_N4]), axis=0))
        if len(part) < annotated:
            notices.append(
                f"{annotated - len(part)} of {annotated} annotated people of {video} are left out: "
                "their key frames are lost, or after the end of the video"
            )
        parts.append(part)
    return _joined(parts, len(ids)), notices


def people_in(
    boxes: LabelledBoxes, blocks: Iterable[PersonBoxes], lost: Sequence[Span], ids: np.ndarray, rate: float
) -> AnnotatedPeople:
    """Annotated people of one video whose boxes `blocks` has features of, found again by key frame and box."""
    seen = [_keys_and_features(block, lost, rate) for block in blocks]
    keys_M5 = np.concatenate([np.zeros((0, 5)), *(keys for keys, _ in seen)])
    used, frame_R = np.unique(boxes.frame_N, return_inverse=True)
    times_R = np.array([float(boxes.frames[frame][1]) for frame in used.tolist()])[frame_R]
    keys_R5 = _keys(times_R, boxes.boxes_N4, rate)
    _, person = np.unique(np.concatenate([keys_M5, keys_R5]), axis=0, return_inverse=True)
    seen_M, person_R = person[: len(keys_M5)], person[len(keys_M5) :]
    people, first_R, person_R = np.unique(person_R, return_index=True, return_inverse=True)
    does_NK = np.zeros((len(people), len(ids)), bool)
    is_known_R = np.isin(boxes.action_N, ids)
    does_NK[person_R[is_known_R], np.searchsorted(ids, boxes.action_N[is_known_R])] = True
    _, in_people, in_seen = np.intersect1d(people, seen_M, return_indices=True)
    rows = first_R[in_people]
    used, frame_N = np.unique(boxes.frame_N[rows], return_inverse=True)
    return AnnotatedPeople(
        frames=tuple(boxes.frames[frame] for frame in used.tolist()),
        frame_N=frame_N.astype(np.int64),
        boxes_N4=boxes.boxes_N4[rows],
        features_NC=np.concatenate([features for _, features in seen])[in_seen]
        if seen
        else np.zeros((0, 0), np.float16),
        does_NK=does_NK[in_people],
    )


def _keys_and_features(block: PersonBoxes, lost: Sequence[Span], rate: float) -> tuple[np.ndarray, np.ndarray]:
    rows = block.rows_outside(lost)
    return _keys(block.times_F[block.frame_N[rows]], block.boxes_N4[rows], rate), block.features_NC[rows]


def _keys(times_N: np.ndarray, boxes_N4: np.ndarray, rate: float) -> np.ndarray:
    """What tells boxes of a video apart (N, 5): number of the key frame, box as exact as the backbone knew it."""
    return np.column_stack([key_frame_numbers(times_N, rate), boxes_N4.astype(np.float32).astype(np.float64)])


def _joined(parts: Sequence[AnnotatedPeople], classes: int) -> AnnotatedPeople:
    firsts = np.cumsum([0, *(len(part.frames) for part in parts)])
    return AnnotatedPeople(
        frames=tuple(frame for part in parts for frame in part.frames),
        frame_N=np.concatenate(
            [np.zeros(0, np.int64), *(part.frame_N + first for part, first in zip(parts, firsts, strict=False))]
        ),
        boxes_N4=np.concatenate([np.zeros((0, 4)), *(part.boxes_N4 for part in parts)]),
        features_NC=np.concatenate([part.features_NC for part in parts if len(part)] or [np.zeros((0, 0), np.float16)]),
        does_NK=np.concatenate([np.zeros((0, classes), bool), *(part.does_NK for part in parts)]),
    )
