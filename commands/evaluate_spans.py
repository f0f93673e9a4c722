"""Spans measured by the protocols of ActivityNet and THUMOS, and what is printed of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from commands.console import console
from commands.notices import count, print_json, print_line, say_left_out, say_missing

if TYPE_CHECKING:
    from annotations.records import Annotations, LabelledSpans
    from evaluation.temporal import TemporalMap


def evaluate_spans(
    predictions: Path,
    annotations: Path,
    protocol: str,
    subset: str | None,
    tious: Sequence[float],
    *,
    as_json: bool,
    plot: Path | None,
) -> None:
    """By the protocol of ActivityNet or THUMOS. Raises AnnotationError."""
    from annotations.matching import match_videos, rename_videos
    from annotations.read import read_annotations, read_predictions
    from evaluation.temporal import temporal_map
    from reports.evaluation_json import temporal_document

    every, found = read_annotations(annotations), read_predictions(predictions)
    key_of = match_videos(found.videos, every.spans.videos)
    found = rename_videos(found, key_of)
    truth = every if subset is None else _of_subset(every, subset, annotations)
    result = temporal_map(truth.spans, found, tious)
    say_left_out(result.left_out, annotations, str(annotations) if subset is None else f"subset {subset}")
    say_missing(truth.spans.videos, found.videos, predictions, key_of)
    heading = _heading(protocol, subset, result)
    if as_json:
        print_json(temporal_document(protocol, result))
    else:
        print_line(f"{heading}: {_counts(truth, result)}")
    _show_errors(truth.spans, found, result, heading, show=not as_json, plot=plot)


def _of_subset(annotations: "Annotations", subset: str, path: Path) -> "Annotations":
    from annotations.errors import AnnotationError
    from annotations.split import of_subsets

    try:
        return of_subsets(annotations, [subset])
    except AnnotationError as error:
        raise AnnotationError(f"{path}: {error}") from None


def _heading(protocol: str, subset: str | None, result: "TemporalMap") -> str:
    tious = "" if result.protocol == protocol else f" at tIoU {', '.join(f'{tiou:g}' for tiou in result.tious)}"
    return f"protocol {protocol}{tious}, {'all subsets' if subset is None else f'subset {subset}'}"


def _counts(truth: "Annotations", result: "TemporalMap") -> str:
    classes = count(len(result.per_class), "class", "classes")
    instances, predictions = count(result.num_truth, "instance"), count(result.num_found, "prediction")
    return f"{count(len(truth.spans.videos), 'video')}, {instances} of {classes}, {predictions}"


def _show_errors(
    truth: "LabelledSpans",
    found: "LabelledSpans",
    result: "TemporalMap",
    heading: str,
    *,
    show: bool,
    plot: Path | None,
) -> None:
    """Tables of all there is to tell, and the plot."""
    from evaluation.error_profile import error_profile
    from evaluation.proposals import proposal_recall
    from evaluation.sensitivity import by_length

    if not show and plot is None:
        return
    tiou = 0.5 if 0.5 in result.tious else min(result.tious)
    profile = error_profile(truth, found, tiou=tiou, tious=result.tious)
    sensitivity = by_length(truth, found, tiou=tiou)
    if show:
        from reports.evaluation import error_table, map_table, recall_table, sensitivity_table

        console.print(map_table(result), highlight=False)
        console.print(recall_table(proposal_recall(truth, found)), highlight=False)
        console.print(error_table(profile), highlight=False)
        console.print(sensitivity_table(sensitivity), highlight=False)
    if plot is not None:
        from reports.evaluation_plot import plot_errors  # only now: matplotlib takes seconds

        plot_errors(profile, sensitivity, plot, title=heading)
