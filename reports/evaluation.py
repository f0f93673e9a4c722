"""The figures of an evaluation on a terminal, in %: average precision, recall of proposals, what errors are made of."""

from collections.abc import Mapping

import numpy as np
from rich import box
from rich.console import Group
from rich.markup import escape
from rich.table import Table

from evaluation.ava import MIN_IOU, FrameMap
from evaluation.error_profile import NUM_STEPS, ErrorProfile, Kind
from evaluation.proposals import ProposalRecall
from evaluation.sensitivity import BIN_NAMES, Sensitivity
from evaluation.temporal import TemporalMap
from evaluation.video_map import VideoMap

AVERAGE_NUMBERS = (1, 5, 10, 50, 100)
KINDS = {
    Kind.TRUE_POSITIVE: "true positive",
    Kind.DOUBLE_DETECTION: "double detection",
    Kind.WRONG_LABEL: "wrong label",
    Kind.LOCALIZATION: "localization",
    Kind.CONFUSION: "confusion",
    Kind.BACKGROUND: "background",
}


def map_table(result: TemporalMap) -> Group:
    """AP of each class and their mean, at each threshold and on average."""
    table = _table("class", *(f"{tiou:.3g}" for tiou in result.tious), "mean")
    for label, ap_T in result.per_class.items():
        table.add_row(escape(label), *map(_percent, ap_T), _percent(ap_T.mean()))
    table.add_section()
    table.add_row("mAP", *map(_percent, result.map_T), _percent(result.average_map), style="bold")
    return Group("average precision by tIoU, %", table)


def recall_table(recall: ProposalRecall) -> Group:
    """AR@AN at a few numbers, and the area under its curve."""
    table = _table("", *(f"AR@{number}" for number in AVERAGE_NUMBERS), "area")
    shown = [recall.average_recall_A[number - 1] for number in AVERAGE_NUMBERS]
    table.add_row("any label", *map(_percent, shown), _percent(recall.area))
    return Group(f"average recall at so many spans a video, %, tIoU {recall.tious[0]:g}:{recall.tious[-1]:g}", table)


def error_table(profile: ErrorProfile) -> Group:
    """What the best predictions are made of, and what average mAP gains without each kind of error."""
    table = _table("kind", *(f"{step}G" for step in range(1, NUM_STEPS + 1)), "gain")
    for kind, name in KINDS.items():
        shares = [_whole_percent(share) for share in profile.top_shares[:, kind]]
        gain = "" if kind is Kind.TRUE_POSITIVE else _gain(profile.gains_K[kind])
        table.add_row(name, *shares, gain)
    return Group(
        f"what a class' best predictions are made of, %, at tIoU {profile.tiou:g}; G: its instances",
        f"gain: of the mAP of the best {NUM_STEPS}G ({_percent(profile.average_map)}), if that kind were removed",
        table,
    )


def sensitivity_table(sensitivity: Sensitivity) -> Group:
    """How well short and long instances are found."""
    table = _table("length", "seconds", "instances", "found", "mAP_N")
    for place, name in enumerate(BIN_NAMES):
        table.add_row(
            name,
            length_range(sensitivity, place),
            f"{sensitivity.num_truth_B[place]:,}",
            _percent(sensitivity.recall_B[place]),
            _percent(sensitivity.map_normalised_B[place]),
        )
    table.add_section()
    total = f"{sensitivity.num_truth_B.sum():,}"
    table.add_row("all", "", total, _percent(sensitivity.recall), _percent(sensitivity.map_normalised), style="bold")
    return Group(f"short and long instances, %, at tIoU {sensitivity.tiou:g}; mAP_N: mAP normalised by DETAD", table)


def length_range(sensitivity: Sensitivity, place: int) -> str:
    """The seconds of a bin."""
    low, high = sensitivity.edges[place : place + 2]
    return f"{low:.3g}-{high:.3g}"


def people_map_table(frames: FrameMap, tubes: VideoMap | None, names: Mapping[int, str]) -> Group:
    """AP of the evaluated actions that are annotated, and their mean, by frame and, if there are tubes, by tube."""
    table = _table("class", "rows", "AP", *(() if tubes is None else _tube_columns(tubes)))
    annotated = [action for action, rows in frames.num_truth.items() if rows]
    for action in annotated:
        cells = [f"{frames.num_truth[action]:,}", _percent(frames.per_class[action])]
        if tubes is not None:
            cells += [f"{tubes.num_truth[action]:,}", *map(_percent, tubes.per_class[action])]
        table.add_row(escape(names[action]), *cells)
    table.add_section()
    totals = [f"{sum(frames.num_truth.values()):,}", _percent(frames.map_at_50)]
    if tubes is not None:
        totals += [f"{sum(tubes.num_truth.values()):,}", *map(_percent, tubes.map_T)]
    table.add_row("mAP", *totals, style="bold")
    counts = f"{len(annotated)} of the {len(frames.per_class)} evaluated classes are annotated"
    by_tube = "" if tubes is None else "of frames "
    return Group(f"average precision {by_tube}at IoU {MIN_IOU:g}{_of_tubes(tubes)}, %; {counts}", table)


def _tube_columns(tubes: VideoMap) -> tuple[str, ...]:
    return "tubes", *(f"@{iou:g}" for iou in tubes.ious)


def _of_tubes(tubes: VideoMap | None) -> str:
    return "" if tubes is None else f", of tubes at {' and '.join(f'{iou:g}' for iou in tubes.ious)}"


def _table(first: str, *columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(first, overflow="fold", min_width=12)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _percent(share: float) -> str:
    if np.isnan(share):
        return "-"
    text = f"{100 * share:.1f}"
    return "100" if text == "100.0" else text


def _whole_percent(share: float) -> str:
    return "-" if np.isnan(share) else f"{100 * share:.0f}"


def _gain(share: float) -> str:
    return "-" if np.isnan(share) else f"{100 * share:+.1f}"
