"""What people do, measured by AVA's protocol: frame-mAP of boxes, video-mAP of tubes, and what is printed of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from commands.action_classes import action_classes, say_other_labels
from commands.console import console
from commands.notices import count, print_json, print_line, say_left_out, say_missing, say_notice

if TYPE_CHECKING:
    from annotations.records import FoundPeople, LabelledBoxes
    from evaluation.video_map import VideoMap


def evaluate_boxes(predictions: Path, annotations: Path, classes: Path | None, *, as_json: bool) -> None:
    """By AVA's protocol, with its classes or those of a file. Raises AnnotationError."""
    from annotations.action_classes import of_classes
    from annotations.ava import read_boxes
    from annotations.matching import match_videos, rename_people
    from annotations.read import read_predicted_people
    from evaluation.ava import frame_map
    from reports.evaluation import people_map_table
    from reports.evaluation_json import people_document

    known = action_classes(classes)
    truth, other = of_classes(read_boxes(annotations, scores=False), known)
    say_other_labels(other, known, "annotated row")
    found = read_predicted_people(predictions, known)
    videos = list(dict.fromkeys(video for video, _ in truth.frames))
    key_of = match_videos(found.videos, videos)
    found = rename_people(found, key_of)
    result = frame_map(truth, found.boxes, known.evaluated)
    _say_left_out(truth, found.boxes, annotations)
    say_other_labels(found.other_labels, known, "prediction")
    say_missing(videos, found.videos, predictions, key_of)
    tubes = _video_map(truth, found, known.evaluated, predictions, annotations)
    if as_json:
        print_json(people_document(result, tubes, known.names))
    else:
        measure = "frame-mAP" if tubes is None else "frame-mAP and video-mAP"
        print_line(f"protocol ava, {measure}: {count(len(videos), 'video')}, {_counts(truth, found, tubes)}")
        console.print(people_map_table(result, tubes, known.names), highlight=False)


def _video_map(
    truth: "LabelledBoxes", found: "FoundPeople", evaluated: Sequence[int], predictions: Path, annotations: Path
) -> "VideoMap | None":
    """None where the predictions or the annotations tell nothing of tubes."""
    from annotations.records import NO_PERSON
    from evaluation.truth_tubes import tubes_of
    from evaluation.video_map import video_map

    has_persons = truth.person_N is not None and bool((truth.person_N != NO_PERSON).all())
    if found.tubes is None or not has_persons:
        if found.tubes is not None:
            say_notice(f"no video-mAP: {annotations} has rows without person_id, which tubes are made by")
        elif has_persons and predictions.is_dir():
            say_notice(f"no video-mAP: {predictions} holds no tubes/*.parquet")
        return None
    result = video_map(tubes_of(truth), found.tubes, evaluated)
    if result.num_unlisted:
        say_notice(f"left out: {count(result.num_unlisted, 'tube')} on no key frame that {annotations} lists")
    return result


def _counts(truth: "LabelledBoxes", found: "FoundPeople", tubes: "VideoMap | None") -> str:
    frames, rows = count(len(truth.frames), "key frame"), count(len(found.boxes), "predicted row")
    return f"{frames}, {rows}" if tubes is None else f"{frames}, {rows}, {count(tubes.num_found, 'predicted tube')}"


def _say_left_out(truth: "LabelledBoxes", found: "LabelledBoxes", annotations: Path) -> None:
    """Rows that count nowhere: on other videos, on key frames that are not annotated."""
    from evaluation.matching import LeftOut
    from evaluation.ranking import count_by_name, numbers_in

    videos = list(dict.fromkeys(video for video, _ in found.frames))
    video_N = numbers_in([video for video, _ in found.frames], videos)[found.frame_N]
    annotated = {video for video, _ in truth.frames}
    others = {name: rows for name, rows in count_by_name(videos, video_N).items() if name not in annotated}
    say_left_out(LeftOut(labels={}, videos=others), annotations, str(annotations))
    is_unlisted_N = numbers_in(found.frames, truth.frames)[found.frame_N] < 0
    elsewhere = [number for number in found.frame_N[is_unlisted_N].tolist() if found.frames[number][0] in annotated]
    if elsewhere:
        video, time = found.frames[elsewhere[0]]
        number = count(len(elsewhere), "prediction")
        say_notice(f"left out: {number} on key frames that {annotations} does not list, such as {time} s of {video!r}")
