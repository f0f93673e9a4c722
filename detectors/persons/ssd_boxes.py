"""Boxes of a single shot detector: anchors, the code of a box by its anchor, suppression of repeats.

As TensorFlow's object detection has them, but x before y. Coordinates are in 0..1 of the picture, numbers float32.
Shape letters: A anchors, R anchors of one cell, K candidates.
"""

import numpy as np


def grid_anchors(cells: int, scales: tuple[float, ...], ratios: tuple[float, ...]) -> np.ndarray:
    """Centres and sizes (A, 4) as x, y, w, h on a map of cells x cells: row by row, those of one cell together.

    A cell has one for every scale (the root of its area) with its ratio (of width to height).
    """
    scales_R, roots_R = np.array(scales), np.sqrt(ratios)
    sizes_R2 = np.stack([scales_R * roots_R, scales_R / roots_R], axis=1)
    y, x = np.indices((cells, cells)).reshape(2, -1)
    centres_A2 = (np.stack([x, y], axis=1).repeat(len(scales), axis=0) + 0.5) / cells
    anchors_A4 = np.concatenate([centres_A2, np.tile(sizes_R2, (cells * cells, 1))], axis=1)
    return anchors_A4.astype(np.float32)


def decode(codes_K4: np.ndarray, anchors_K4: np.ndarray, scales: tuple[float, ...]) -> np.ndarray:
    """Corners (K, 4) of boxes coded as y, x, h, w by their anchors; codes are larger by the scales."""
    y, x, h, w = np.divide(codes_K4, scales, dtype=np.float32).T
    centres_K2 = np.stack([x, y], axis=1) * anchors_K4[:, 2:] + anchors_K4[:, :2]
    halves_K2 = np.exp(np.stack([w, h], axis=1)) * anchors_K4[:, 2:] / 2
    return np.concatenate([centres_K2 - halves_K2, centres_K2 + halves_K2], axis=1)


def suppress(boxes_K4: np.ndarray, scores_K: np.ndarray, *, iou_threshold: float, most: int) -> np.ndarray:
    """Indices of the best ones by falling score, without any that overlaps a better one by more than the threshold."""
    left, picks = np.argsort(-scores_K, kind="stable"), list[int]()
    while len(left) and len(picks) < most:
        best, left = left[0], left[1:]
        picks.append(int(best))
        left = left[iou_with(boxes_K4[best], boxes_K4[left]) <= iou_threshold]
    return np.array(picks, dtype=np.intp)


def iou_with(box_4: np.ndarray, boxes_K4: np.ndarray) -> np.ndarray:
    """IoU (K,) of one box with others; 0 where neither has an area."""
    sides_K2 = np.minimum(box_4[2:], boxes_K4[:, 2:]) - np.maximum(box_4[:2], boxes_K4[:, :2])
    inter_K = sides_K2.clip(min=0).prod(axis=1)
    union_K = (box_4[2:] - box_4[:2]).prod() + (boxes_K4[:, 2:] - boxes_K4[:, :2]).prod(axis=1) - inter_K
    iou_K: np.ndarray = np.divide(inter_K, union_K, out=np.zeros_like(inter_K), where=union_K > 0)
    return iou_K
