"""A run of frames, pushed in pieces of any length, to features and logits: one pass, constant shapes, bounded memory.

Shape letters: T frames, H rows, W columns, S steps, C feature channels, K classes, N = 1.
"""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from detectors.backbones.carry import Carry
from detectors.backbones.contract import Backbone, Foldable

Precision = Literal["auto", "fast", "float32", "bfloat16"]
Steps = tuple[np.ndarray, np.ndarray]  # features (S, C) and logits (S, K), both float32


def compute_dtype(device: torch.device | str, precision: Precision) -> torch.dtype:
    """auto: bfloat16 on a GPU, float32 on a CPU; fast: bfloat16 on a CPU with matrix units for it (AMX) too."""
    if precision in ("float32", "bfloat16"):
        return torch.float32 if precision == "float32" else torch.bfloat16
    cpu_has: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # older torch tells nothing
    has_units = torch.device(device).type == "cuda" or (precision == "fast" and cpu_has.get("amx_bf16", False))
    return torch.bfloat16 if has_units else torch.float32


def prepare(backbone: Backbone, device: torch.device | str, precision: Precision = "auto") -> Backbone:
    """Make a backbone ready for inference, in place: layers folded, in the precision asked for."""
    backbone.eval().requires_grad_(False)
    dtype = compute_dtype(device, precision)
    # What cannot be folded stays float32, as a head does: it costs nothing and decides the scores.
    for module in list(backbone.modules()):
        if isinstance(module, Foldable):
            module.fold(dtype)
    return backbone.to(device)


class FeatureStream:
    """One contiguous run through a prepared backbone. Step j of the run covers its frames [j, j + 1) * stride."""

    def __init__(
        self,
        backbone: Backbone,
        *,
        device: torch.device | str = "cpu",
        precision: Precision = "auto",
        chunk_frames: int = 64,
    ) -> None:
        self.backbone = backbone
        self.contract = backbone.contract
        if chunk_frames < 1 or chunk_frames % self.contract.stride:
            raise ValueError(f"chunk_frames must be a multiple of {self.contract.stride}, got {chunk_frames}")
        self.device = torch.device(device)
        self.dtype = compute_dtype(device, precision)
        self.chunk_frames = chunk_frames
        self._carry = Carry()
        self._waiting: list[np.ndarray] = []
        self._mean = torch.tensor(self.contract.mean, device=device).view(1, 3, 1, 1, 1) * 255
        self._std = torch.tensor(self.contract.std, device=device).view(1, 3, 1, 1, 1) * 255

    def push(self, frames_THWC: np.ndarray) -> Steps:
        """Take frames in; give the steps that became complete, possibly none."""
        if len(frames_THWC):
            self._waiting.append(frames_THWC)
        results = []
        # One chunk stays behind, since only finish() knows which is the last.
        while sum(map(len, self._waiting)) > self.chunk_frames:
            results.append(self._run(self._take(self.chunk_frames)))
        return self._merged(results)

    def finish(self) -> Steps:
        """Give the steps still open; the run is over. The tail is filled to a whole step with its last frame."""
        rest = sum(map(len, self._waiting))
        if rest == 0:
            return self._merged([])
        frames_THWC = self._take(rest)
        missing = -rest % self.contract.stride
        frames_THWC = np.concatenate([frames_THWC, np.repeat(frames_THWC[-1:], missing, axis=0)])
        self._carry.last = True
        return self._merged([self._run(frames_THWC)])

    def _take(self, count: int) -> np.ndarray:
        """The first `count` frames that wait, in one array."""
        taken = []
        while count:
            first_THWC = self._waiting.pop(0)
            if len(first_THWC) > count:
                self._waiting.insert(0, first_THWC[count:])
            taken.append(first_THWC[:count])
            count -= len(taken[-1])
        return np.concatenate(taken) if len(taken) > 1 else taken[0]

    @torch.inference_mode()
    def _run(self, frames_THWC: np.ndarray) -> tuple[Tensor, Tensor]:
        features_NSC, logits_NSK = self.backbone(self._normalised(frames_THWC), self._carry)
        return features_NSC[0], logits_NSK[0]

    def _normalised(self, frames_THWC: np.ndarray) -> Tensor:
        frames = torch.from_numpy(np.ascontiguousarray(frames_THWC))
        if self.device.type == "cuda":
            frames = frames.pin_memory().to(self.device, non_blocking=True)
        frames_NCTHW = frames.permute(3, 0, 1, 2)[None]  # channels_last_3d as it lies
        return ((frames_NCTHW - self._mean) / self._std).to(self.dtype)

    def _merged(self, results: list[tuple[Tensor, Tensor]]) -> Steps:
        if not results:
            names = self.contract.class_names
            return np.zeros((0, self.contract.feature_channels), np.float32), np.zeros((0, len(names)), np.float32)
        features, logits = (torch.cat(parts).float().cpu().numpy() for parts in zip(*results, strict=True))
        return features, logits
