"""The timeline of one video drawn by matplotlib: a lane a label, and one for each person."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from pipeline.clock import clock
from reports.overlay.tiles import track_colour

MOST_LANES = 16  # of labels, and of people
_ACTION = "#2f7fb5"
_LANE_INCHES, _FRAME_INCHES, _WIDTH_INCHES = 0.28, 0.9, 10.0
_FAINTEST = 0.25  # opacity of a score of nothing

Row = Mapping[str, Any]


def draw_timeline(
    actions: Sequence[Row], people: Sequence[Row], *, title: str, duration_s: float | None, axes: Axes | None = None
) -> Axes:
    """`actions`: start_s, stop_s, label, score; `people`: these and track_id, label None where nothing is done."""
    labels, tracks = _best(actions, "label"), _best(people, "track_id")
    lanes: list[Any] = [*labels, *tracks]
    if axes is None:
        _, axes = pyplot.subplots(
            figsize=(_WIDTH_INCHES, _FRAME_INCHES + _LANE_INCHES * max(len(lanes), 1)), layout="constrained"
        )
    for place, label in enumerate(labels):
        for row in (one for one in actions if one["label"] == label):
            _bar(axes, place, row, _ACTION, height=0.7)
    for place, track in enumerate(tracks, len(labels)):
        colour = "#{:02x}{:02x}{:02x}".format(*track_colour(track))
        for row in (one for one in people if one["track_id"] == track):
            _bar(axes, place, row, colour, height=0.7 if row["label"] else 0.2)
    axes.set_yticks(range(len(lanes)), [*labels, *(f"person {track}" for track in tracks)], parse_math=False)
    axes.set_ylim(max(len(lanes), 1) - 0.5, -0.5)
    axes.set_xlim(0, max([duration_s or 0.0, 1e-3, *(row["stop_s"] for row in (*actions, *people))]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda time_s, _: clock(time_s)))
    axes.set_title(f"{title}{_hidden(actions, labels, people, tracks)}", loc="left", fontsize=10, parse_math=False)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(left=False)
    return axes


def _best(rows: Sequence[Row], name: str) -> list[Any]:
    """The lanes with the best scores, in order of when they first come up."""
    best: dict[Any, float] = {}
    for row in rows:
        best[row[name]] = max(best.get(row[name], 0.0), row["score"] or 0.0)
    kept = set(sorted(best, key=lambda one: -best[one])[:MOST_LANES])
    return [one for one in best if one in kept]


def _bar(axes: Axes, place: int, row: Row, colour: str, *, height: float) -> None:
    """As opaque as its score; with its label where there is a person's lane for it."""
    opacity = _FAINTEST + (1 - _FAINTEST) * (row["score"] or 0.0)
    span = (row["start_s"], row["stop_s"] - row["start_s"])
    axes.broken_barh([span], (place - height / 2, height), facecolor=colour, alpha=opacity, linewidth=0)
    if "track_id" in row and row["label"]:
        axes.text(row["start_s"], place, f" {row['label']}", va="center", fontsize=8, clip_on=True, parse_math=False)


def _hidden(actions: Sequence[Row], labels: Sequence[Any], people: Sequence[Row], tracks: Sequence[Any]) -> str:
    more = [
        f"{count} more {what}"
        for count, what in (
            (len({row["label"] for row in actions}) - len(labels), "labels"),
            (len({row["track_id"] for row in people}) - len(tracks), "people"),
        )
        if count > 0
    ]
    return f"  ({', '.join(more)})" if more else ""
