"""Which anchor or proposal stands for which ground truth, and which of them a step of training looks at.

Shape letters: M anchors or proposals, G ground truths.
"""

import torch
from torch import Tensor

NEGATIVE, IGNORED = -1, -2


def assign(iou_MG: Tensor, *, positive: float, negative: float, best_counts: bool) -> Tensor:
    """The ground truth (M,) of each row, NEGATIVE, or IGNORED.

    Positive from that IoU on, and, with `best_counts`, where a row is the best (or as good) that a ground truth has, so
    that none goes unlearned (Faster R-CNN, arXiv 1506.01497); negative below the other.
    """
    if iou_MG.shape[1] == 0:
        return torch.full((len(iou_MG),), NEGATIVE, device=iou_MG.device)
    best_iou_M, best_M = iou_MG.max(dim=1)
    assigned_M = torch.where(best_iou_M >= positive, best_M, IGNORED)
    assigned_M = torch.where(best_iou_M < negative, NEGATIVE, assigned_M)
    if best_counts and len(iou_MG):
        tops_G = iou_MG.max(dim=0).values
        row, truth = ((iou_MG == tops_G) & (tops_G > 0)).nonzero(as_tuple=True)
        assigned_M[row] = truth
    return assigned_M


def sample(assigned_M: Tensor, *, count: int, positive_share: float) -> tuple[Tensor, Tensor]:
    """Rows drawn at random: positives, at most that share of `count`, and negatives to fill it up."""
    positives = _drawn((assigned_M >= 0).nonzero()[:, 0], int(count * positive_share))
    negatives = _drawn((assigned_M == NEGATIVE).nonzero()[:, 0], count - len(positives))
    return positives, negatives


def _drawn(rows: Tensor, count: int) -> Tensor:
    return rows[torch.randperm(len(rows))[:count].to(rows.device)]
