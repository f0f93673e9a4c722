"""What people do on key frames: from the class logits of their boxes, piece by piece, to labels with scores.

Shape letters: N boxes, K classes, P pairs of boxes, A actions.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import count
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from pipeline.records import PersonActions

Boxes = tuple[np.ndarray, np.ndarray, np.ndarray]  # times_N in seconds, tracks_N, logits_NK
Scores = tuple[np.ndarray, np.ndarray]  # which box of the video (N,), and its scores (N, K)

BOXES_AT_ONCE = 4096  # with 400 classes 13 MB as float64


class _Held(NamedTuple):
    rows_N: np.ndarray
    times_N: np.ndarray
    tracks_N: np.ndarray
    scores_NK: np.ndarray


def own_classes(
    pieces: Iterable[Boxes],
    *,
    midpoint: float,
    scale: float,
    temperature: float,
    smooth_s: float,
    min_score: float,
) -> PersonActions:
    """Classes of a backbone that names one at a time: evidence on an absolute scale, averaged over the track.

    `pieces` hold every box of a video once, by time. How it is cut does not matter; they are read one by one, and only
    boxes of the last 2 * `smooth_s` stay. `rows_A` count all boxes, also those on no track (below 0), which do nothing.

    A logit counts by how many standard deviations it is above the mean of all classes: the head learnt from whole
    pictures, and in a small box, full of what moves, all logits are several times as large, whatever they say. Of 400
    classes that mean nothing the best is at 3, as the largest of 400 normal numbers is. Evidence is the logistic
    function of the deviations, times exp(-deviations behind the best class / temperature).

    Each label with `min_score` is given, so that must be the lower one of what `best_labels` and `tubes` ask for.
    """
    scores_of = partial(own_evidence, midpoint=midpoint, scale=scale, temperature=temperature)
    return _collect(_scored(pieces, scores_of, smooth_s), min_score)


def independent_classes(pieces: Iterable[Boxes], *, smooth_s: float, min_score: float) -> PersonActions:
    """Classes any number of which hold at once, by the sigmoid, as AVA's heads are trained; the rest as own_classes."""
    return _collect(_scored(pieces, _sigmoid, smooth_s), min_score)


def best_labels(actions: PersonActions, *, min_score: float, labels_per_person: int | None) -> PersonActions:
    """Of each box the labels with the highest scores, best first; None: as many as reach `min_score`."""
    order = np.lexsort((actions.labels_A, -actions.scores_A, actions.rows_A))
    order = order[actions.scores_A[order] >= min_score]
    rows_A = actions.rows_A[order]
    if labels_per_person is not None:
        rank_A = np.arange(len(rows_A)) - np.searchsorted(rows_A, rows_A)
        order = order[rank_A < labels_per_person]
    return PersonActions(actions.rows_A[order], actions.labels_A[order], actions.scores_A[order])


def _collect(scored: Iterable[Scores], min_score: float) -> PersonActions:
    parts = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    for rows_N, scores_NK in scored:
        box, label_A = np.nonzero(scores_NK >= min_score)
        parts.append((rows_N[box], label_A.astype(np.int64), scores_NK[box, label_A]))
    return PersonActions(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _scored(
    pieces: Iterable[Boxes], scores_of: Callable[[np.ndarray], np.ndarray], smooth_s: float
) -> Iterator[Scores]:
    """Averaged over the track, in order, as soon as every box less than `smooth_s` later is known."""
    held: _Held | None = None
    given = 0  # so many of those held were given out and stay only for what they have to say about later ones
    for rows_N, times_N, tracks_N, logits_NK in _numbered(pieces):
        fresh = _Held(rows_N, times_N, tracks_N, scores_of(logits_NK.astype(np.float64)))
        held = fresh if held is None else _Held(*map(np.concatenate, zip(held, fresh, strict=True)))
        complete = _count_far_before(held.times_N[-1], held.times_N, smooth_s)
        yield _averaged(held, given, complete, smooth_s)
        needed_from_s = held.times_N[complete] if complete < len(held.times_N) else np.inf
        spent = _count_far_before(needed_from_s, held.times_N, smooth_s)
        held, given = _Held(*(column[spent:] for column in held)), complete - spent
    if held is not None:
        yield _averaged(held, given, len(held.times_N), smooth_s)


def _numbered(pieces: Iterable[Boxes]) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """The boxes on tracks, each with its row; never none, and not many at once."""
    row = 0
    for times_N, tracks_N, logits_NK in pieces:
        for first in range(0, len(times_N), BOXES_AT_ONCE):
            index_N = first + np.flatnonzero(tracks_N[first : first + BOXES_AT_ONCE] >= 0)
            if len(index_N):
                yield row + index_N, times_N[index_N], tracks_N[index_N], logits_NK[index_N]
        row += len(times_N)


def _count_far_before(time_s: float, times_N: np.ndarray, smooth_s: float) -> int:
    return int(np.count_nonzero(time_s - times_N >= smooth_s))


def _averaged(held: _Held, start: int, stop: int, smooth_s: float) -> Scores:
    scores_NK = held.scores_NK[start:stop]
    if smooth_s > 0:
        scores_NK = _weights(held.times_N, held.tracks_N, smooth_s)[start:stop] @ held.scores_NK
    return held.rows_N[start:stop], scores_NK


def _weights(times_N: np.ndarray, tracks_N: np.ndarray, smooth_s: float) -> csr_array:
    """What each box (N, N) has to say about another of its track: a triangle over time; rows sum to 1.

    The triangle ends at 0, so that a neighbour that is a rounding error farther away changes nothing.
    """
    in_track = np.lexsort((times_N, tracks_N))
    everyone = np.arange(len(times_N))
    ones, others, weights = [everyone], [everyone], [np.ones(len(times_N))]
    for shift in count(1):
        earlier, later = in_track[:-shift], in_track[shift:]
        apart_s_P = times_N[later] - times_N[earlier]
        near = (tracks_N[earlier] == tracks_N[later]) & (apart_s_P < smooth_s)
        if not near.any():  # nor farther on
            break
        ones += [earlier[near], later[near]]
        others += [later[near], earlier[near]]
        weights += 2 * [1.0 - apart_s_P[near] / smooth_s]
    one_P, other_P, weight_P = np.concatenate(ones), np.concatenate(others), np.concatenate(weights)
    weight_P /= np.bincount(one_P, weight_P)[one_P]
    return csr_array((weight_P, (one_P, other_P)), shape=(len(times_N), len(times_N)))


def own_evidence(logits_NK: np.ndarray, *, midpoint: float, scale: float, temperature: float) -> np.ndarray:
    """Evidence (N, K) in 0..1 of each class by itself, as own_classes has it."""
    spread_N1 = np.maximum(logits_NK.std(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    deviations_NK = (logits_NK - logits_NK.mean(axis=1, keepdims=True)) / spread_N1
    behind_NK = deviations_NK.max(axis=1, keepdims=True) - deviations_NK
    result_NK: np.ndarray = _sigmoid((deviations_NK - midpoint) / scale) * np.exp(-behind_NK / temperature)
    return result_NK


def _sigmoid(logits_NK: np.ndarray) -> np.ndarray:
    result_NK: np.ndarray = 1.0 / (1.0 + np.exp(-np.clip(logits_NK, -50.0, 50.0)))
    return result_NK
