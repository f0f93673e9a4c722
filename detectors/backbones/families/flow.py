"""Optical flow of clips: how far every pixel moves until the next frame, x to the right, y downwards.

A classical method (OpenCV's DIS, arXiv 1603.03590) or a learned one (torchvision's RAFT, arXiv 2003.12039), neither of
them trained here. Both libraries are imported when they are used.
Shape letters: N clips, P pairs of frames, T frames, H rows, W columns.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from math import ceil

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from detectors import checkpoints, weights
from detectors.backbones.contract import Contract
from detectors.random_weights import made_the_same

GREY = (0.299, 0.587, 0.114)  # of red, green and blue
MOST_PIXELS = 20.0  # of movement in a frame that two-stream networks are told; more is cut
PAIRS_AT_ONCE = 32  # that RAFT compares, all places with all


@dataclass(frozen=True, slots=True)
class Method:
    """A way to flow: of pairs of frames (P, 3, H, W), 0..1, the flow (P, 2, H, W), pixels."""

    of_pairs: Callable[[Tensor, Tensor], Tensor]
    least_side: int  # pixels; smaller pictures are enlarged for it
    multiple: int  # of which sides must be
    needs: str  # what is imported
    package: str


def check_flow(name: str) -> None:
    """Raises ValueError for a name that there is not, or whose library is absent where a network is made to be run."""
    if name not in FLOWS:
        raise ValueError(f"unknown flow {name!r}; one of: {', '.join(FLOWS)}")
    is_outline = torch.empty(0).is_meta
    if not is_outline and find_spec(FLOWS[name].needs) is None:
        raise ValueError(f"flow {name} needs {FLOWS[name].package}: uv sync --extra flow, or choose another flow")


def network_input(name: str, clips_NCTHW: Tensor, contract: Contract) -> Tensor:
    """Flow (N, 2, T - 1, H, W) of normalised clips, cut at 20 pixels and divided by them: -1..1."""
    mean, std = (clips_NCTHW.new_tensor(one).view(1, 3, 1, 1, 1) for one in (contract.mean, contract.std))
    return flow_of_clips(name, clips_NCTHW * std + mean).clamp(-MOST_PIXELS, MOST_PIXELS) / MOST_PIXELS


@torch.no_grad()
def flow_of_clips(name: str, clips_NCTHW: Tensor) -> Tensor:
    """Flow (N, 2, T - 1, H, W), float32, pixels, of clips of RGB in 0..1; without gradients, on their device.

    On the meta device nothing is computed, so nothing of it is counted either. Raises WeightsError where RAFT's cannot
    be had.
    """
    clips, _, frames, height, width = clips_NCTHW.shape
    if clips_NCTHW.is_meta:
        return clips_NCTHW.new_empty((clips, 2, frames - 1, height, width), dtype=torch.float32)
    frames_NTCHW = clips_NCTHW.float().clamp(0, 1).transpose(1, 2)
    pairs = frames_NTCHW[:, :-1].flatten(0, 1), frames_NTCHW[:, 1:].flatten(0, 1)
    flow_P2HW = flow_of_pairs(FLOWS[name], *pairs)
    return flow_P2HW.view(clips, frames - 1, 2, height, width).transpose(1, 2)


def flow_of_pairs(method: Method, first_P3HW: Tensor, second_P3HW: Tensor) -> Tensor:
    """Flow (P, 2, H, W), pixels, found in larger pictures where the method wants such."""
    height, width = first_P3HW.shape[2:]
    scale = max(1.0, method.least_side / min(height, width))
    size = tuple(ceil(side * scale / method.multiple) * method.multiple for side in (height, width))
    if size == (height, width):
        return method.of_pairs(first_P3HW, second_P3HW)
    larger = (F.interpolate(one, size, mode="bilinear") for one in (first_P3HW, second_P3HW))
    flow_P2HW = F.interpolate(method.of_pairs(*larger), (height, width), mode="bilinear")
    back_2 = flow_P2HW.new_tensor((width / size[1], height / size[0]))
    return flow_P2HW * back_2.view(1, 2, 1, 1)


def dis(first_P3HW: Tensor, second_P3HW: Tensor) -> Tensor:
    """On the processor, a pair in about a millisecond; windows overlap, and a pair that comes again is not redone."""
    pictures = zip(_grey(first_P3HW), _grey(second_P3HW), strict=True)
    keys = [(first.tobytes(), second.tobytes()) for first, second in pictures]
    pairs = list(dict.fromkeys(keys))
    size = tuple(first_P3HW.shape[2:])
    threads = min(torch.get_num_threads(), len(pairs))
    with ThreadPoolExecutor(threads) as pool:
        parts = pool.map(partial(_dis_of, size=size), (pairs[start::threads] for start in range(threads)))
        found = {pair: flow for part in parts for pair, flow in part.items()}
    flow_PHW2 = torch.from_numpy(np.stack([found[key] for key in keys]))
    return flow_PHW2.permute(0, 3, 1, 2).to(first_P3HW.device)


def _dis_of(pairs: list[tuple[bytes, bytes]], size: tuple[int, ...]) -> dict[tuple[bytes, bytes], np.ndarray]:
    cv2 = import_module("cv2")  # whose own types lack this method
    cv2.setNumThreads(1)  # torch's threads are those that were asked for
    method = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return {pair: method.calc(*(np.frombuffer(one, np.uint8).reshape(size) for one in pair), None) for pair in pairs}


def _grey(pictures_P3HW: Tensor) -> np.ndarray:
    """Pictures (P, H, W), uint8."""
    shares = pictures_P3HW.new_tensor(GREY).view(3, 1, 1) * 255
    grey_PHW: np.ndarray = (pictures_P3HW * shares).sum(dim=1).round().byte().cpu().numpy()
    return grey_PHW


def raft(name: str, first_P3HW: Tensor, second_P3HW: Tensor, *, weights_name: str | None = None) -> Tensor:
    """torchvision's, with its published weights unless random ones are asked for."""
    network = _raft(name, weights_name or f"{name}_flow", first_P3HW.device)
    with torch.autocast(first_P3HW.device.type, enabled=False):
        parts = zip(*(torch.split(one, PAIRS_AT_ONCE) for one in (first_P3HW, second_P3HW)), strict=True)
        return torch.cat([network(2 * first - 1, 2 * second - 1)[-1] for first, second in parts])


@cache
def _raft(name: str, weights_name: str, device: torch.device) -> nn.Module:
    """Outside of any network's parts: it is not trained, saved or counted with them."""
    from torchvision.models import optical_flow

    path = weights.resolve(weights_name)
    with torch.inference_mode(False):
        network: nn.Module = made_the_same(partial(getattr(optical_flow, name), weights=None))
        if path is not None:
            checkpoints.load_file(network, path)
        return network.eval().requires_grad_(False).to(device)


FLOWS: dict[str, Method] = {
    "dis": Method(dis, least_side=16, multiple=1, needs="cv2", package="opencv-python-headless"),
    **{
        name: Method(partial(raft, name), least_side=128, multiple=8, needs="torchvision", package="torchvision")
        for name in ("raft_small", "raft_large")
    },
}
