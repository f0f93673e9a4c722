"""Optical flow: what is shifted flows that far, whatever the size of the picture; RAFT is asked for larger ones."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from recordings import record
from torch import Tensor

from detectors.backbones.families import flow
from detectors.backbones.families.flow import FLOWS, Method, check_flow, dis, flow_of_clips, flow_of_pairs, raft
from detectors.weights import RANDOM

pytestmark = pytest.mark.usefixtures("one_thread")

MARGIN = 16


def shifting(side: int, x: int, y: int, frames: int = 3) -> Tensor:
    """A textured clip (1, 3, T, H, W), 0..1, moving by so many pixels a frame."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, side // 4 + MARGIN // 2, side // 4 + MARGIN // 2, generator=generator)
    texture = F.interpolate(coarse, scale_factor=4, mode="bicubic").clamp(0, 1)
    rows, columns = ([MARGIN - by * t for t in range(frames)] for by in (y, x))
    views = [texture[:, :, r : r + side, c : c + side] for r, c in zip(rows, columns, strict=True)]
    return torch.stack(views, dim=2)


def inside(flow_N2THW: Tensor) -> Tensor:
    """Its mean (2,), the picture's border aside, where things come in."""
    border = flow_N2THW.shape[-1] // 6
    return flow_N2THW[..., border:-border, border:-border].mean(dim=(0, 2, 3, 4))


@pytest.mark.parametrize("shift", [(2, 0), (-2, 0), (0, 2), (0, -2), (3, -1)])
@pytest.mark.parametrize("side", [32, 64])
def test_what_moves_flows_that_far_x_to_the_right_and_y_downwards(side: int, shift: tuple[int, int]) -> None:
    flow_N2THW = flow_of_clips("dis", shifting(side, *shift))
    assert flow_N2THW.shape == (1, 2, 2, side, side) and flow_N2THW.dtype is torch.float32
    torch.testing.assert_close(inside(flow_N2THW), torch.tensor(shift, dtype=torch.float32), rtol=0, atol=0.15)


def test_a_still_clip_does_not_flow() -> None:
    assert not flow_of_clips("dis", shifting(32, 0, 0)).any()


def test_pictures_of_any_size_flow_in_their_own_pixels() -> None:
    """Those smaller than the method takes are enlarged, and its answer is scaled back along both sides."""
    torch.testing.assert_close(
        inside(flow_of_clips("dis", shifting(12, 1, 0))), torch.tensor([1.0, 0.0]), rtol=0, atol=0.2
    )
    enlarging = Method(dis, least_side=60, multiple=8, needs="cv2", package="")
    clip_N3THW = shifting(40, 2, -1)[..., :36]
    found = flow_of_pairs(enlarging, clip_N3THW[:, :, 0], clip_N3THW[:, :, 1])
    assert found.shape == (1, 2, 40, 36)
    torch.testing.assert_close(inside(found[:, :, None]), torch.tensor([2.0, -1.0]), rtol=0, atol=0.15)


def test_a_clip_flows_alike_beside_others_and_with_more_threads() -> None:
    clips = torch.cat([shifting(32, 2, 0), shifting(32, 0, 1), shifting(32, 2, 0)])
    alone = [flow_of_clips("dis", clip[None]) for clip in clips]
    torch.testing.assert_close(flow_of_clips("dis", clips), torch.cat(alone), rtol=0, atol=0)
    torch.set_num_threads(3)
    try:
        torch.testing.assert_close(flow_of_clips("dis", clips), torch.cat(alone), rtol=0, atol=0)
    finally:
        torch.set_num_threads(1)


def test_no_gradient_goes_through_flow() -> None:
    assert not flow_of_clips("dis", shifting(32, 1, 0).requires_grad_()).requires_grad


def test_on_the_meta_device_there_is_a_shape_and_no_work() -> None:
    for name in FLOWS:
        found = flow_of_clips(name, torch.empty(2, 3, 5, 40, 24, device="meta"))
        assert found.is_meta and found.shape == (2, 2, 4, 40, 24)


def test_raft_flows_in_the_pictures_own_size() -> None:
    """With random weights: torchvision's have the host they are published on to themselves."""
    method = Method(partial(raft, "raft_small", weights_name=RANDOM), 128, 8, "torchvision", "")
    clip = shifting(36, 2, 0, frames=2)[..., :32]
    found = flow_of_pairs(method, clip[:, :, 0], clip[:, :, 1])
    assert found.shape == (1, 2, 36, 32) and torch.isfinite(found).all() and not found.requires_grad


def test_an_unknown_flow_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"^unknown flow 'tvl1'; one of: dis, raft_small, raft_large$"):
        check_flow("tvl1")


def test_an_absent_library_is_told_where_a_network_is_to_run_and_not_for_an_outline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(flow, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"^flow dis needs opencv-python-headless: .*uv sync --extra flow"):
        check_flow("dis")
    with torch.device("meta"):
        check_flow("dis")


def test_opencv_and_av_work_in_one_process(tmp_path: Path) -> None:
    """Both bring libraries of the same names for reading video."""
    path = record(tmp_path / "clip.mp4", frames=5)
    code = f"""
import cv2, av, numpy
grey = numpy.random.default_rng(0).integers(0, 255, (32, 32), numpy.uint8)
cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(grey, grey, None)
with av.open({str(path)!r}) as container:
    assert sum(1 for _ in container.decode(video=0)) == 5
"""
    subprocess.run([sys.executable, "-c", code], check=True)
