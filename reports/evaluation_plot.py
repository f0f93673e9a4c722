"""Kinds of error and sensitivity to length as a picture, after DETAD (Alwassel et al., ECCV 2018).

Shape letters: S steps of G predictions, K kinds, B bins.
"""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from annotations.files import replacing
from evaluation.error_profile import ErrorProfile, Kind
from evaluation.sensitivity import BIN_NAMES, Sensitivity
from reports.evaluation import KINDS, length_range

_COLOURS = ("#59a14f", "#edc948", "#e15759", "#4e79a7", "#b07aa1", "#bab0ac")
_BESIDE = {"loc": "center left", "bbox_to_anchor": (1, 0.5), "frameon": False}  # a legend, where it hides no bar
_MOST_PERCENT = 100


def plot_errors(profile: ErrorProfile, sensitivity: Sensitivity, path: Path, *, title: str) -> None:
    """Write the picture; the suffix of `path` tells its form. Raises AnnotationError if it cannot be written."""
    figure = Figure(figsize=(13, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, parse_math=False)
    left, right = figure.subplots(1, 2)
    _draw_shares(left, profile)
    _draw_sensitivity(right, sensitivity)
    with replacing(path) as temp:
        figure.savefig(temp, format=path.suffix.lower().removeprefix("."), dpi=150)


def _draw_shares(axes: Axes, profile: ErrorProfile) -> None:
    shares_SK = _MOST_PERCENT * np.nan_to_num(profile.top_shares)
    places = np.arange(1, len(shares_SK) + 1)
    below_S = np.zeros(len(shares_SK))
    for kind, colour in zip(Kind, _COLOURS, strict=True):
        axes.bar(places, shares_SK[:, kind], bottom=below_S, color=colour, label=KINDS[kind])
        below_S = below_S + shares_SK[:, kind]
    axes.set_xticks(places, [f"{place}G" for place in places])
    axes.set(ylim=(0, _MOST_PERCENT), ylabel="% of predictions")
    axes.set_xlabel("best predictions of a class of G instances")
    axes.set_title(f"kinds of error at tIoU {profile.tiou:g}")
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], labels[::-1], **_BESIDE)


def _draw_sensitivity(axes: Axes, sensitivity: Sensitivity) -> None:
    places = np.arange(len(BIN_NAMES))
    found_B, map_B = (_MOST_PERCENT * one for one in (sensitivity.recall_B, sensitivity.map_normalised_B))
    for shift, heights_B, colour, name in (
        (-0.2, map_B, "#4e79a7", "normalised mAP\n(line: of all)"),
        (0.2, found_B, "#a0cbe8", "found"),
    ):
        axes.bar(places + shift, np.nan_to_num(heights_B), width=0.4, color=colour, label=name)
    axes.axhline(_MOST_PERCENT * sensitivity.map_normalised, color="#4e79a7", linestyle="--", linewidth=1)
    ticks = [
        f"{name}\n{length_range(sensitivity, place)}\n{sensitivity.num_truth_B[place]:,}"
        for place, name in enumerate(BIN_NAMES)
    ]
    axes.set_xticks(places, ticks)
    axes.set_xlabel("length of instances, seconds; how many there are")
    axes.set(ylim=(0, _MOST_PERCENT), ylabel="%")
    axes.set_title(f"short and long instances at tIoU {sensitivity.tiou:g}")
    axes.legend(**_BESIDE)
