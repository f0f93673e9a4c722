"""ActivityNet's JSON: annotations (`database`) and the results form of its challenge (`results`)."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from annotations import values
from annotations.errors import AnnotationError, BadValue, Problems
from annotations.files import read_text, write_text
from annotations.gather import Gathered, require_names
from annotations.records import Annotations, LabelledSpans
from annotations.values import shown

Entries = list[list[dict[str, Any]]]  # of each video

_VERSION = "1.3"
_HOLDS = {
    "database": "annotations (ground truth), not predictions; give it as annotations",
    "results": "predictions, not annotations; give it as predictions",
}


def read_activitynet(path: Path) -> Annotations:
    """Ground truth. Raises AnnotationError."""
    problems = Problems(path)
    gathered = Gathered(problems)
    for name, about in _videos(path, "database", problems).items():
        if not isinstance(about, dict):
            problems.add(f"video {shown(name)}", f"must be an object with annotations, got {shown(about)}")
            continue
        try:
            name = values.video_name(name)
            duration_s, subset = values.duration(about.get("duration")), values.subset(about.get("subset"))
            gathered.video(name, duration_s, subset)
        except BadValue as error:
            problems.add(f"video {shown(name)}", str(error))
            continue
        _gather(gathered, name, about.get("annotations"), "annotations", scored=False)
    return gathered.annotations()


def read_activitynet_results(path: Path) -> LabelledSpans:
    """Predictions. Raises AnnotationError."""
    problems = Problems(path)
    gathered = Gathered(problems)
    for name, entries in _videos(path, "results", problems).items():
        try:
            gathered.video(values.video_name(name))
        except BadValue as error:
            problems.add(f"video {shown(name)}", str(error))
            continue
        _gather(gathered, name, entries, "results", scored=True)
    return gathered.predictions()


def _gather(gathered: Gathered, video: str, entries: object, what: str, *, scored: bool) -> None:
    if not isinstance(entries, list):
        got = "is missing" if entries is None else f"must be a list, got {shown(entries)}"
        gathered.problems.add(f"video {shown(video)}", f"{what} {got}; write [] where there are none")
        return
    for number, entry in enumerate(entries):
        place = f"video {shown(video)}, {what}[{number}]"
        try:
            if not isinstance(entry, dict):
                raise BadValue(f"must be an object with segment and label, got {shown(entry)}")
            score = values.number(entry.get("score"), "score") if scored else 0.0
            gathered.span(place, video, _segment(entry, scored), values.label(entry.get("label")), score)
        except BadValue as error:
            gathered.problems.add(place, str(error))


def _segment(entry: dict[str, Any], scored: bool) -> tuple[float, float]:
    segment = entry.get("segment")
    if segment is None:
        raise BadValue("segment is missing")
    if not isinstance(segment, list) or len(segment) != 2:
        raise BadValue(f"segment must be [start, end], got {shown(segment)}")
    return values.span(segment[0], segment[1], scored=scored)


def _videos(path: Path, key: str, problems: Problems) -> dict[str, Any]:
    """What the file holds of each video. Raises AnnotationError if it is of another form."""
    repeated: list[str] = []
    document = _parse(path, repeated)
    if not isinstance(document, dict):
        raise AnnotationError(f"{path}: must be a JSON object with {key!r}, got {shown(document)}")
    if key not in document:
        other = next((one for one in _HOLDS if one in document), None)
        found = ", ".join(shown(one) for one in list(document)[:8]) or "nothing"
        what = f"holds {_HOLDS[other]}" if other else f"must have {key!r} at the top, found {found}"
        raise AnnotationError(f"{path}: {what}")
    videos = document[key]
    if not isinstance(videos, dict):
        raise AnnotationError(f"{path}: {key!r} must be an object of videos by name, got {shown(videos)}")
    for name in repeated:
        what = "appears twice; join or rename its entries" if name in videos else "is a key twice in one object"
        problems.add(f"video {shown(name)}" if name in videos else shown(name), what)
    return videos


def _parse(path: Path, repeated: list[str]) -> object:
    def no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            repeated.extend(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        return found

    text = read_text(path)
    try:
        document: object = json.loads(text, object_pairs_hook=no_key_twice)
    except json.JSONDecodeError as error:
        is_cut = error.msg.startswith("Unterminated") or not text[error.pos :].strip()
        cut = "; it seems cut short" if is_cut else ""
        place = f"line {error.lineno} column {error.colno}"
        raise AnnotationError(f"{path}: {place}: is not valid JSON: {error.msg}{cut}; mend or fetch it again") from None
    except (RecursionError, ValueError) as error:  # ValueError: a number of thousands of digits
        what = "nested too deep" if isinstance(error, RecursionError) else str(error)
        raise AnnotationError(f"{path}: is no JSON that can be read: {what}; mend or fetch it again") from None
    return document


def write_activitynet(found: LabelledSpans, path: Path) -> None:
    """Predictions, as the challenge's evaluator takes them. Raises AnnotationError."""
    if found.scores_N is None:
        raise ValueError("ground truth has no scores; write it with write_activitynet_annotations")
    require_names(Problems(path), found)
    entries = dict(zip(found.videos, _entries(found), strict=True))
    document = {"version": _VERSION, "results": entries, "external_data": {}}
    write_text(path, json.dumps(document, ensure_ascii=False) + "\n")


def write_activitynet_annotations(annotations: Annotations, path: Path) -> None:
    """Ground truth. Raises AnnotationError."""
    spans = annotations.spans
    require_names(Problems(path), spans)
    database = {}
    facts = zip(spans.videos, annotations.durations_s, annotations.subsets, _entries(spans), strict=True)
    for name, duration_s, subset, entries in facts:
        known = {"subset": subset, "duration": duration_s}
        told = {key: value for key, value in known.items() if value is not None}
        database[name] = told | {"annotations": entries}
    document = {"version": _VERSION, "taxonomy": [], "database": database}
    write_text(path, json.dumps(document, ensure_ascii=False, indent=1) + "\n")


def _entries(spans: LabelledSpans) -> Entries:
    entries: Entries = [[] for _ in spans.videos]
    scores = [None] * len(spans) if spans.scores_N is None else spans.scores_N.tolist()
    rows = zip(spans.video_N.tolist(), spans.spans_N2.tolist(), spans.label_N.tolist(), scores, strict=True)
    for video, segment, label, score in rows:
        entry = {"segment": segment, "label": spans.labels[label]}
        entries[video].append(entry if score is None else entry | {"score": score})
    return entries
