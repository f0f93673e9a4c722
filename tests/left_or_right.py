"""A task in which only movement counts: a square on a torus goes left or right; what single frames show is the same."""

import torch
from torch import Tensor
from torch.nn import functional

from detectors.backbones.contract import Backbone, Contract

CLASSES = ("left", "right")
FRAMES, SIDE, SQUARE = 16, 32, 10


def clips(count: int, contract: Contract, seed: int) -> tuple[Tensor, Tensor]:
    """Normalised clips (N, 3, T, H, W) and labels (N,), of each class as many."""
    generator = torch.Generator().manual_seed(seed)
    labels_N = torch.arange(count) % 2
    clips_NCTHW = torch.empty(count, 3, FRAMES, SIDE, SIDE)
    for clip_CTHW, label in zip(clips_NCTHW, labels_N.tolist(), strict=True):
        frame_CHW = torch.full((3, SIDE, SIDE), 0.2)
        frame_CHW[:, :SQUARE, :SQUARE] = 0.6 + 0.4 * torch.rand(3, SQUARE, SQUARE, generator=generator)
        y, x = torch.randint(SIDE, (2,), generator=generator).tolist()
        for t in range(FRAMES):
            clip_CTHW[:, t] = frame_CHW.roll((y, x + (2 * t if label else -2 * t)), dims=(1, 2))
    mean, std = (torch.tensor(one).view(1, 3, 1, 1, 1) for one in (contract.mean, contract.std))
    return (clips_NCTHW - mean) / std, labels_N


def train(backbone: Backbone, *, count: int = 64, epochs: int = 6, rate: float = 3e-3) -> None:
    torch.manual_seed(0)
    clips_NCTHW, labels_N = clips(count, backbone.contract, seed=1)
    optimizer = torch.optim.AdamW(backbone.parameters(), rate)
    backbone.train()
    for _ in range(epochs):
        for batch in torch.randperm(count).split(8):
            losses = backbone.losses(functional.cross_entropy, labels_N[batch], clips_NCTHW[batch])
            optimizer.zero_grad()
            torch.stack(list(losses.values())).sum().backward()
            optimizer.step()
    backbone.eval()


def held_out(backbone: Backbone, count: int = 64) -> tuple[Tensor, Tensor]:
    """Features (N, C) of clips that it has not learned from, and their labels (N,)."""
    clips_NCTHW, labels_N = clips(count, backbone.contract, seed=2)
    with torch.inference_mode():
        return backbone.encode(clips_NCTHW).features_NC, labels_N


def share_right(logits_NK: Tensor, labels_N: Tensor) -> float:
    return float((logits_NK.argmax(1) == labels_N).float().mean())
