"""Boxes of people measured by AVA's protocol, and what is printed of it."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from commands.console import console
from commands.notices import count, print_json, print_line, say_left_out, say_missing, say_notice

if TYPE_CHECKING:
    from annotations.records import LabelledBoxes


def evaluate_boxes(predictions: Path, annotations: Path, *, as_json: bool) -> None:
    """By AVA's protocol. Raises AnnotationError."""
    from annotations.ava import read_boxes
    from annotations.matching import match_videos, rename_frames
    from annotations.read import read_predicted_boxes
    from evaluation.ava import frame_map
    from reports.evaluation import frame_map_table
    from reports.evaluation_json import frame_document

    truth = read_boxes(annotations, scores=False)
    found = read_predicted_boxes(predictions, action_ids())
    videos = list(dict.fromkeys(video for video, _ in truth.frames))
    key_of = match_videos((video for video, _ in found.frames), videos)
    found = rename_frames(found, key_of)
    result = frame_map(truth, found)
    _say_left_out(truth, found, annotations)
    say_missing(videos, (video for video, _ in found.frames), predictions, key_of)
    if as_json:
        print_json(frame_document(result, list(action_ids())))
    else:
        frames, rows = count(len(truth.frames), "key frame"), count(len(found), "predicted row")
        print_line(f"protocol ava, frame-mAP: {count(len(videos), 'video')}, {frames}, {rows}")
        console.print(frame_map_table(result, list(action_ids())), highlight=False)


def action_ids() -> dict[str, int]:
    """AVA's numbers of its actions by name, from 1 on."""
    from detectors.backbones.class_names import ava  # only when asked for: torch takes seconds

    return {name: number for number, name in enumerate(ava(), start=1)}


def _say_left_out(truth: "LabelledBoxes", found: "LabelledBoxes", annotations: Path) -> None:
    """Rows that count nowhere: on other videos, on key frames that are not annotated, of actions that AVA has not."""
    from evaluation.matching import LeftOut
    from evaluation.ranking import count_by_name, numbers_in

    videos = list(dict.fromkeys(video for video, _ in found.frames))
    video_N = numbers_in([video for video, _ in found.frames], videos)[found.frame_N]
    annotated = {video for video, _ in truth.frames}
    others = {name: rows for name, rows in count_by_name(videos, video_N).items() if name not in annotated}
    unknown_N = found.action_N[found.action_N > len(action_ids())].tolist()
    say_left_out(LeftOut(labels=dict(Counter(map(str, unknown_N))), videos=others), annotations, str(annotations))
    is_unlisted_N = numbers_in(found.frames, truth.frames)[found.frame_N] < 0
    elsewhere = int(is_unlisted_N.sum()) - sum(others.values())
    if elsewhere:
        say_notice(f"left out: {count(elsewhere, 'prediction')} on key frames that {annotations} does not list")
