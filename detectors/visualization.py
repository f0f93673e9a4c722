"""What a network has learned a class to look like: gradient ascent on a clip that is kept smooth in space and in time.

After Feichtenhofer et al., "What have we learned from deep representations for action recognition?" (CVPR 2018, arXiv
1801.01415): slow and fast motion come of strong and of weak smoothness in time. The clip is a spectrum with colours as
natural pictures mix them ("Feature Visualization", Distill 2017, doi 10.23915/distill.00007), and the network sees it
shifted and zoomed a little differently at each step: without these a network is content with noise.

Shape letters: N clips, C colours, T frames, H rows, W columns, K classes, A samples of sound beside a frame.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from detectors.backbones.contract import Backbone

LEARNING_RATE = 0.1
MOST_SHIFT = 1 / 14  # of the side of a picture
MOST_ZOOM = 0.1
DECLINE = 0.9  # how fast frequencies in space fall off: at 1 broad areas outgrow what is drawn in them
COLOUR_COST = 0.04  # of squared distance from the mean colour: or else broad areas turn black and white
FAINTEST = 0.1  # a frame that the score hardly depends on is not made to look as if it did
# How natural pictures vary: in brightness most, then from blue to yellow, then from green to red.
COLOURS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))


@dataclass(frozen=True, slots=True)
class Smoothness:
    """What roughness costs: total variation in space, squared change in time."""

    space: float
    time: float


SPEEDS = {"slow": Smoothness(space=0.15, time=10.0), "fast": Smoothness(space=0.15, time=0.5)}


@dataclass(frozen=True, eq=False, slots=True)
class Ascent:
    """The clip that was found, and the probability of the class for what it began with and for what it became."""

    frames_THWC: np.ndarray  # uint8
    score_before: float
    score_after: float


def ascend(
    backbone: Backbone,
    class_id: int,
    *,
    frames: int,
    side: int,
    steps: int,
    smoothness: Smoothness,
    seed: int = 0,
    device: torch.device | str = "cpu",
    told: Callable[[int], object] | None = None,
) -> Ascent:
    """From faint noise about the mean colour to a clip that the backbone scores high, in as many steps of Adam.

    `told` hears how many steps are done. A backbone that hears is given silence.
    """
    generator = torch.Generator().manual_seed(seed)
    scorer = _Scorer(backbone, device)
    spectrum = Spectrum((frames, side, side), backbone.contract.mean, generator).to(device)
    before = scorer.probability(spectrum.frames_THWC(), class_id)
    optimizer = torch.optim.Adam(spectrum.parameters(), lr=LEARNING_RATE)
    for done in range(1, steps + 1):
        clip_CTHW = spectrum()
        seen_CTHW = clip_CTHW.detach().requires_grad_()
        logits_K = scorer(_varied(seen_CTHW, generator))
        (gradient_CTHW,) = torch.autograd.grad(lead(logits_K, class_id), seen_CTHW)
        optimizer.zero_grad()
        cost = roughness(clip_CTHW, smoothness) + COLOUR_COST * spectrum.distance(clip_CTHW)
        loss = cost - (clip_CTHW * levelled(gradient_CTHW)).mean()
        loss.backward()
        optimizer.step()
        if told is not None:
            told(done)
    frames_THWC = spectrum.frames_THWC()
    return Ascent(frames_THWC, before, scorer.probability(frames_THWC, class_id))


class Spectrum(nn.Module):
    """A clip (3, T, H, W) in 0..1 as frequencies in time and space, which repeat without a seam."""

    scale_THW: Tensor
    mix_CC: Tensor
    mean_C: Tensor

    def __init__(self, shape: tuple[int, int, int], mean: tuple[float, ...], generator: torch.Generator) -> None:
        super().__init__()
        self.shape = shape
        scale_THW = natural_scale(shape)
        mix_CC = torch.tensor(COLOURS)
        self.register_buffer("scale_THW", scale_THW)
        self.register_buffer("mix_CC", mix_CC / mix_CC.norm(dim=0).max())
        self.register_buffer("mean_C", torch.tensor(mean).clamp(0.05, 0.95).logit())
        self.waves = nn.Parameter(torch.randn(3, *scale_THW.shape, 2, generator=generator) * 0.01)

    def forward(self) -> Tensor:
        spectrum_CTHW = torch.view_as_complex(self.waves) * self.scale_THW
        mixed_CTHW = torch.fft.irfftn(spectrum_CTHW, s=self.shape, dim=(1, 2, 3), norm="ortho")
        clip_CTHW = torch.einsum("dc,cthw->dthw", self.mix_CC, mixed_CTHW)
        return torch.sigmoid(clip_CTHW + self.mean_C[:, None, None, None])

    def distance(self, clip_CTHW: Tensor) -> Tensor:
        """Mean squared, from the mean colour."""
        return (clip_CTHW - self.mean_C.sigmoid()[:, None, None, None]).square().mean()

    @torch.no_grad()
    def frames_THWC(self) -> np.ndarray:  # noqa: N802
        """As a file keeps them, uint8."""
        frames: np.ndarray = (self() * 255).round().byte().permute(1, 2, 3, 0).cpu().numpy()
        return frames


def lead(logits_K: Tensor, class_id: int) -> Tensor:
    """What is maximised: how far a class is ahead of the mean of all.

    A logit alone means nothing to a network of few classes, and the logarithm of the probability makes a picture that
    is unlike the runner-up rather than like the class.
    """
    return logits_K[class_id] - logits_K.mean()


def natural_scale(shape: tuple[int, int, int]) -> Tensor:
    """How strong each frequency (T, H, W / 2 + 1) is: the less the higher, in time as in space, as in natural clips."""
    frames, rows, columns = shape
    in_time_T = torch.fft.fftfreq(frames).abs().clamp(min=1 / frames)
    across = (torch.fft.fftfreq(rows)[:, None] ** 2 + torch.fft.rfftfreq(columns) ** 2).sqrt()
    in_space_HW = across.clamp(min=1 / max(rows, columns))
    scale_THW = (in_time_T[:, None, None] * in_space_HW**DECLINE).reciprocal()
    natural_THW: Tensor = scale_THW / scale_THW.square().mean().sqrt()
    return natural_THW


def roughness(clip_CTHW: Tensor, smoothness: Smoothness) -> Tensor:
    """What a clip in 0..1 costs."""
    return smoothness.space * total_variation(clip_CTHW) + smoothness.time * change(clip_CTHW)


def total_variation(clip_CTHW: Tensor) -> Tensor:
    """Mean length of the gradient in space."""
    down = clip_CTHW[..., 1:, :-1] - clip_CTHW[..., :-1, :-1]
    right = clip_CTHW[..., :-1, 1:] - clip_CTHW[..., :-1, :-1]
    return (down.square() + right.square() + 1e-8).sqrt().mean()  # the root of 0 has no gradient


def change(clip_CTHW: Tensor) -> Tensor:
    """Mean squared difference from frame to frame, from the last to the first too."""
    return (clip_CTHW - clip_CTHW.roll(1, dims=1)).square().mean()


def levelled(gradient_CTHW: Tensor) -> Tensor:
    """Made equally strong in all frames, whatever the network's scores are like: so penalties weigh the same in all."""
    strength_T = gradient_CTHW.square().mean(dim=(0, 2, 3), keepdim=True).sqrt()
    least = (FAINTEST * strength_T.max()).clamp(min=torch.finfo(strength_T.dtype).tiny)
    return gradient_CTHW / strength_T.clamp(min=least)


def _varied(clip_CTHW: Tensor, generator: torch.Generator) -> Tensor:
    """Begun at another instant, shifted and zoomed a little, at random; what leaves at one side enters at the other."""
    frames, side = clip_CTHW.shape[1], clip_CTHW.shape[2]
    zoom = 1 + MOST_ZOOM * (2 * torch.rand((), generator=generator).item() - 1)
    turn = torch.tensor([[zoom, 0.0, 0.0], [0.0, zoom, 0.0]], device=clip_CTHW.device).expand(frames, 2, 3)
    clip_TCHW = clip_CTHW.transpose(0, 1)
    grid = F.affine_grid(turn, list(clip_TCHW.shape), align_corners=False)
    zoomed_TCHW = F.grid_sample(clip_TCHW, grid, padding_mode="reflection", align_corners=False)
    most = max(1, round(MOST_SHIFT * side))
    down, right = torch.randint(-most, most + 1, (2,), generator=generator).tolist()
    later = int(torch.randint(frames, (), generator=generator))
    return zoomed_TCHW.roll((later, down, right), dims=(0, 2, 3)).transpose(0, 1)


class _Scorer:
    """A backbone's scores (K,) of one clip (3, T, H, W) in 0..1; float32 on a CPU, bfloat16 on a GPU."""

    def __init__(self, backbone: Backbone, device: torch.device | str) -> None:
        self.backbone = backbone.eval().requires_grad_(False).to(device)
        self.device = torch.device(device)
        self.mean_C = torch.tensor(backbone.contract.mean, device=device)[:, None, None, None]
        self.std_C = torch.tensor(backbone.contract.std, device=device)[:, None, None, None]
        # cuDNN has no gradients of recurrent layers outside training
        self.cudnn = not any(isinstance(module, nn.RNNBase) for module in backbone.modules())

    def __call__(self, clip_CTHW: Tensor) -> Tensor:
        inputs = [((clip_CTHW - self.mean_C) / self.std_C)[None]]
        if self.backbone.contract.sound_per_frame:
            inputs.append(clip_CTHW.new_zeros(1, clip_CTHW.shape[1], self.backbone.contract.sound_per_frame))
        on_gpu = self.device.type == "cuda"
        with (
            torch.backends.cudnn.flags(enabled=self.cudnn),
            torch.autocast(self.device.type, torch.bfloat16, enabled=on_gpu),
        ):
            logits_NK: Tensor = self.backbone(*inputs)
        return logits_NK[0].float()

    @torch.no_grad()
    def probability(self, frames_THWC: np.ndarray, class_id: int) -> float:
        """Of a class, for frames as a file keeps them."""
        clip_CTHW = torch.from_numpy(frames_THWC).to(self.device).permute(3, 0, 1, 2) / 255
        return float(self(clip_CTHW).softmax(0)[class_id])
