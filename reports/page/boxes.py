"""Which boxes of people a report's page holds: all around its pictures, then those of the surest actions."""

import numpy as np

from reports.page.rows import ReportRows, of_video


def chosen_boxes(rows: ReportRows, number: int, instants_s: np.ndarray, most: int) -> np.ndarray:
    """Of a video's key boxes at most so many, as ascending indices; `instants_s`, sorted, are those of its pictures."""
    place = of_video(rows.key_boxes.video_K, number)
    if place.stop - place.start <= most:
        return np.arange(place.start, place.stop)
    is_chosen_K = _is_near(rows.key_boxes.time_s_K[place], instants_s, rows.period_s[number])
    found, detections = of_video(rows.detections.video_N, number), rows.detections
    tubes = found.start + np.flatnonzero(detections.track_N[found] >= 0)
    for tube in tubes[np.argsort(-detections.score_N[tubes], kind="stable")].tolist():
        if is_chosen_K.sum() >= most:
            break
        is_chosen_K |= _is_of_tube(rows, place, tube)
    chosen: np.ndarray = place.start + np.flatnonzero(is_chosen_K)[:most]
    return chosen


def _is_near(times_s: np.ndarray, instants_s: np.ndarray, reach_s: float) -> np.ndarray:
    if not len(instants_s):
        return np.zeros(len(times_s), bool)
    after = np.searchsorted(instants_s, times_s)
    neighbours = np.stack([instants_s[np.maximum(after - 1, 0)], instants_s[np.minimum(after, len(instants_s) - 1)]])
    near: np.ndarray = np.abs(neighbours - times_s).min(axis=0) <= reach_s
    return near


def _is_of_tube(rows: ReportRows, place: slice, tube: int) -> np.ndarray:
    times_s, detections = rows.key_boxes.time_s_K[place], rows.detections
    is_of_track = rows.key_boxes.track_K[place] == detections.track_N[tube]
    is_within = (times_s >= detections.start_s_N[tube]) & (times_s <= detections.stop_s_N[tube])
    is_of_tube: np.ndarray = is_of_track & is_within
    return is_of_tube
