"""Actions of one person over time: from scores on key frames to spans.

Shape letters: N boxes, A actions on key frames, U tubes, M spans that are shut to tubes.
"""

from collections.abc import Sequence

import numpy as np

from pipeline.records import Span, Tubes

NO_LABEL = -1
TOLERANCE_S = 1e-6  # a gap of just `max_gap_s` must not hang on a rounding error in the times


def tubes(
    times_N: np.ndarray,
    tracks_N: np.ndarray,
    rows_A: np.ndarray,
    labels_A: np.ndarray,
    scores_A: np.ndarray,
    *,
    period_s: float,
    duration_s: float,
    start_score: float,
    keep_score: float,
    max_gap_s: float,
    min_duration_s: float,
    lost: Sequence[Span] = (),
    cuts_s: Sequence[float] | np.ndarray = (),
) -> Tubes:
    """Where a track keeps `keep_score` for a label, but for gaps of `max_gap_s`, and reaches `start_score` once.

    Boxes come by time; `rows_A` are rows of theirs, ascending. A key frame stands for half of `period_s` before and
    after it, though not beyond a cut nor into a lost span longer than `max_gap_s`; none in such a span counts.
    Tubes come by start, track and label.
    """
    shut_M2 = _shut_spans(lost, cuts_s, max_gap_s)
    picks = np.flatnonzero((scores_A >= keep_score) & ~_is_inside(times_N, shut_M2)[rows_A])
    picks = picks[np.lexsort((labels_A[picks], tracks_N[rows_A[picks]]))]  # stable: then by time
    tracks_A, labels_A, scores_A = tracks_N[rows_A[picks]], labels_A[picks], scores_A[picks]
    spans_A2 = _stands_for(times_N, period_s, duration_s, shut_M2)[rows_A[picks]]

    firsts = _beginnings(tracks_A, labels_A, spans_A2, max_gap_s)
    spans_U2, scores_U, peaks_U = _join(spans_A2, scores_A, firsts)
    tracks_U, labels_U = tracks_A[firsts], labels_A[firsts]
    lengths_s_U = spans_U2[:, 1] - spans_U2[:, 0]
    found = np.flatnonzero((peaks_U >= start_score) & (lengths_s_U > max(min_duration_s - TOLERANCE_S, 0.0)))
    found = found[np.lexsort((labels_U[found], tracks_U[found], spans_U2[found, 0]))]
    return Tubes(tracks_U[found], spans_U2[found], labels_U[found], scores_U[found])


def with_idle_tracks(
    found: Tubes,
    times_N: np.ndarray,
    tracks_N: np.ndarray,
    *,
    period_s: float,
    duration_s: float,
    cuts_s: Sequence[float] | np.ndarray = (),
) -> Tubes:
    """The tubes, and each track that has none from its beginning to its end, with NO_LABEL and NaN for a score."""
    spans_N2 = _stands_for(times_N, period_s, duration_s, _shut_spans((), cuts_s, 0.0))
    idle = np.flatnonzero(~np.isin(tracks_N, found.tracks_U))
    idle = idle[np.argsort(tracks_N[idle], kind="stable")]  # then by time
    firsts = np.flatnonzero(np.diff(tracks_N[idle], prepend=-1))
    lasts = np.append(firsts[1:], len(idle))[: len(firsts)] - 1
    spans_I2 = np.stack([spans_N2[idle[firsts], 0], spans_N2[idle[lasts], 1]], axis=1)
    tracks_U = np.concatenate([found.tracks_U, tracks_N[idle[firsts]]])
    spans_U2 = np.concatenate([found.spans_U2, spans_I2])
    labels_U = np.concatenate([found.labels_U, np.full(len(firsts), NO_LABEL)])
    scores_U = np.concatenate([found.scores_U, np.full(len(firsts), np.nan)])
    order = np.lexsort((labels_U, tracks_U, spans_U2[:, 0]))
    return Tubes(tracks_U[order], spans_U2[order], labels_U[order], scores_U[order])


def _shut_spans(lost: Sequence[Span], cuts_s: Sequence[float] | np.ndarray, max_gap_s: float) -> np.ndarray:
    """Lost spans (M, 2) too long to be bridged, those that touch taken as one; and cuts, as spans of no length."""
    joined: list[Span] = []
    for start_s, stop_s in sorted(lost):
        if joined and start_s <= joined[-1][1] + TOLERANCE_S:
            joined[-1] = joined[-1][0], max(joined[-1][1], stop_s)
        else:
            joined.append((start_s, stop_s))
    long = [(start_s, stop_s) for start_s, stop_s in joined if stop_s - start_s > max_gap_s + TOLERANCE_S]
    return np.array(long + [(cut_s, cut_s) for cut_s in cuts_s], dtype=np.float64).reshape(-1, 2)


def _is_inside(times_N: np.ndarray, spans_M2: np.ndarray) -> np.ndarray:
    """Whether each time is in any of the half-open spans: more have begun by then than have ended."""
    begun_N, ended_N = (np.searchsorted(np.sort(edges_M), times_N, "right") for edges_M in spans_M2.T)
    inside_N: np.ndarray = begun_N > ended_N
    return inside_N


def _stands_for(times_N: np.ndarray, period_s: float, duration_s: float, shut_M2: np.ndarray) -> np.ndarray:
    """The span (N, 2) about each time, within the video and between the shut spans before and after."""
    begins_M, ends_M = np.sort(shut_M2[:, 0]), np.sort(shut_M2[:, 1])
    earliest_N = np.append(0.0, ends_M)[np.searchsorted(ends_M, times_N, "right")]
    latest_N = np.append(begins_M, duration_s)[np.searchsorted(begins_M, times_N, "right")]
    around_N2 = times_N[:, None] + np.array([-period_s / 2, period_s / 2])
    within_N2: np.ndarray = np.clip(around_N2, earliest_N[:, None], np.minimum(latest_N, duration_s)[:, None])
    return within_N2


def _beginnings(tracks_A: np.ndarray, labels_A: np.ndarray, spans_A2: np.ndarray, max_gap_s: float) -> np.ndarray:
    """Which of the key frames, by track, label and time, do not go on with the one before."""
    begins_A = np.ones(len(tracks_A), dtype=bool)
    begins_A[1:] = (tracks_A[1:] != tracks_A[:-1]) | (labels_A[1:] != labels_A[:-1])
    begins_A[1:] |= spans_A2[1:, 0] - spans_A2[:-1, 1] > max_gap_s + TOLERANCE_S
    return np.flatnonzero(begins_A)


def _join(spans_A2: np.ndarray, scores_A: np.ndarray, firsts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Span (U, 2), score and highest score (U,) of what begins at each of `firsts`.

    The score is the mean over the key frames, by the seconds each stands for: the same however many there are a
    second. Gaps have no say: a person who was missed is no evidence against, and of low scores none may be known.
    """
    lasts = np.append(firsts[1:], len(spans_A2))[: len(firsts)] - 1
    seconds_A = spans_A2[:, 1] - spans_A2[:, 0]
    sums_U, seconds_U = (np.add.reduceat(column, firsts) for column in (scores_A * seconds_A, seconds_A))
    scores_U = np.divide(sums_U, seconds_U, out=np.zeros(len(firsts)), where=seconds_U > 0)
    spans_U2 = np.stack([spans_A2[firsts, 0], spans_A2[lasts, 1]], axis=1)
    return spans_U2, scores_U, np.maximum.reduceat(scores_A, firsts)
