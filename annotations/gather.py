"""Rows on their way from a file to records: names become numbers, and what only the whole file tells is checked.

Shape letters: N spans, V videos.
"""

from collections.abc import Iterable

import numpy as np

from annotations import values
from annotations.errors import BadValue, Problems
from annotations.records import Annotations, LabelledSpans
from annotations.values import DURATION_TOLERANCE_S


class Gathered:
    """Videos keep the order of their first appearance, spans of one video stay together; labels are sorted."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self._videos: dict[str, int] = {}
        self._durations_s: dict[str, float] = {}
        self._subsets: dict[str, str] = {}
        self._rows: list[tuple[int, float, float, str, float]] = []
        self._places: list[str] = []

    def video(self, name: str, duration_s: float | None = None, subset: str | None = None) -> None:
        """A video that may have no span. Raises BadValue if the file has told something else of it before."""
        self._videos.setdefault(name, len(self._videos))
        if duration_s is not None and self._durations_s.setdefault(name, duration_s) != duration_s:
            raise BadValue(f"duration {duration_s}, but {self._durations_s[name]} before; a video has one duration")
        if subset is not None and self._subsets.setdefault(name, subset) != subset:
            raise BadValue(f"subset {subset!r}, but {self._subsets[name]!r} before; a video is in one subset")

    def span(self, place: str, video: str, span_s: tuple[float, float], label: str, score: float = 0.0) -> None:
        number = self._videos.setdefault(video, len(self._videos))
        self._rows.append((number, *span_s, label, score))
        self._places.append(place)

    def annotations(self) -> Annotations:
        """Raises AnnotationError with all problems of the file."""
        if not self._rows and not self.problems:
            self.problems.add("", "holds no annotations; give a file with labelled spans")
        spans = self._record(scored=False)
        durations_s = tuple(self._durations_s.get(name) for name in spans.videos)
        self._hold_inside(spans, durations_s)
        self.problems.raise_if_any()
        subsets = tuple(self._subsets.get(name) for name in spans.videos)
        return Annotations(self._grouped(spans), durations_s, subsets)

    def predictions(self) -> LabelledSpans:
        """Raises AnnotationError with all problems of the file."""
        self.problems.raise_if_any()
        return self._grouped(self._record(scored=True))

    def _record(self, *, scored: bool) -> LabelledSpans:
        labels = tuple(sorted({row[3] for row in self._rows}))
        number_of = {label: number for number, label in enumerate(labels)}
        return LabelledSpans(
            videos=tuple(self._videos),
            labels=labels,
            video_N=np.array([row[0] for row in self._rows], dtype=np.int64),
            spans_N2=np.array([row[1:3] for row in self._rows], dtype=np.float64).reshape(-1, 2),
            label_N=np.array([number_of[row[3]] for row in self._rows], dtype=np.int64),
            scores_N=np.array([row[4] for row in self._rows], dtype=np.float64) if scored else None,
        )

    def _hold_inside(self, spans: LabelledSpans, durations_s: Iterable[float | None]) -> None:
        """Clip what passes a video's end by no more than the tolerance; the rest are problems."""
        durations_V = np.array([np.inf if one is None else one for one in durations_s], dtype=np.float64)
        limits_N = durations_V[spans.video_N]
        starts_N, stops_N = spans.spans_N2.T
        for row in np.flatnonzero((stops_N > limits_N + DURATION_TOLERANCE_S) | (starts_N >= limits_N)):
            what = f"[{starts_N[row]}, {stops_N[row]}] passes the end of the video at {limits_N[row]} s"
            self.problems.add(self._places[row], f"{what}; mend the span or the duration")
        np.minimum(stops_N, limits_N, out=stops_N)

    @staticmethod
    def _grouped(spans: LabelledSpans) -> LabelledSpans:
        return spans.where(np.argsort(spans.video_N, kind="stable"))


def require_names(problems: Problems, spans: LabelledSpans) -> None:
    """Names that a file would not give back as they are. Raises AnnotationError."""
    for name in spans.videos:
        try:
            values.video_name(name)
        except BadValue as error:
            problems.add("", str(error))
    for name in spans.labels:
        try:
            if values.label(name) != name:
                problems.add("", f"label {values.shown(name)} has blanks around it; remove them")
        except BadValue as error:
            problems.add("", str(error))
    problems.raise_if_any()
