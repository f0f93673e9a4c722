"""Frames pushed in pieces, computed in chunks: the same steps as one pass over the whole run."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from detectors.backbones import create
from detectors.backbones.carry import Carry, Window, align, over_time
from detectors.backbones.stream import FeatureStream, compute_dtype, prepare

SIZE = 32


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Small tensors gain nothing from more, and threads that wait for each other lose much on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def backbone() -> nn.Module:
    """Random weights, scaled so that signals neither die nor explode."""
    torch.manual_seed(7)
    module = create("i3d")
    for part in module.modules():
        if isinstance(part, nn.Conv3d):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
    return prepare(module, "cpu", "float32")


def frames(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)


def in_one_pass(backbone: nn.Module, frames_THWC: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    padded_THWC = np.concatenate([frames_THWC, np.repeat(frames_THWC[-1:], -len(frames_THWC) % 8, axis=0)])
    x_NCTHW = torch.from_numpy(padded_THWC).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
    with torch.inference_mode():
        features_NSC, logits_NSK = backbone(x_NCTHW)
    return features_NSC[0].numpy(), logits_NSK[0].numpy()


def streamed(
    backbone: nn.Module, frames_THWC: np.ndarray, pieces: list[int], chunk_frames: int
) -> tuple[np.ndarray, ...]:
    stream = FeatureStream(backbone, chunk_frames=chunk_frames)
    results, start = [], 0
    while start < len(frames_THWC):
        for piece in pieces:
            results.append(stream.push(frames_THWC[start : start + piece]))
            start += piece
    results.append(stream.finish())
    return tuple(np.concatenate(parts) for parts in zip(*results, strict=True))


def assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("count", "chunk_frames"), [(1, 64), (8, 8), (13, 8), (64, 24), (65, 64), (150, 16), (150, 104)]
)
def test_chunks_give_what_one_pass_gives(backbone: nn.Module, chunk_frames: int, count: int) -> None:
    frames_THWC = frames(count)
    expected = in_one_pass(backbone, frames_THWC)
    found = streamed(backbone, frames_THWC, [chunk_frames], chunk_frames)
    assert len(found[0]) == -(-count // 8)
    for ours, theirs in zip(found, expected, strict=True):
        assert_close(ours, theirs)


@pytest.mark.parametrize("pieces", [[1], [7, 90, 0, 11]])
def test_the_sizes_of_the_pieces_do_not_matter(backbone: nn.Module, pieces: list[int]) -> None:
    frames_THWC = frames(150)
    expected = streamed(backbone, frames_THWC, [150], 64)
    found = streamed(backbone, frames_THWC, pieces, 64)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


def test_a_run_without_frames_has_no_steps(backbone: nn.Module) -> None:
    stream = FeatureStream(backbone)
    for features_SC, logits_SK in (stream.push(frames(0)), stream.finish()):
        assert features_SC.shape == (0, 1024)
        assert logits_SK.shape == (0, 400)


@pytest.mark.parametrize("first_step", [6, 8])
def test_halo_makes_the_inside_exact(backbone: nn.Module, first_step: int) -> None:
    """Halo frames are rounded up to whole steps, so that steps keep their phase."""
    contract = backbone.contract
    frames_THWC = frames(176)
    whole_SC, _ = in_one_pass(backbone, frames_THWC)
    steps_before = -(-contract.halo_before // 8)
    steps_after = -(-contract.halo_after // 8)
    stop_step = first_step + 5
    cut_THWC = frames_THWC[8 * (first_step - steps_before) : 8 * (stop_step + steps_after)]
    cut_SC, _ = in_one_pass(backbone, cut_THWC)
    assert_close(cut_SC[steps_before : steps_before + 5], whole_SC[first_step:stop_step])


def test_frames_outside_the_receptive_field_do_not_matter(backbone: nn.Module) -> None:
    contract, step = backbone.contract, 7
    frames_THWC = frames(128)
    first, last = 8 * step - contract.halo_before, 8 * step + 7 + contract.halo_after
    expected_SC, _ = in_one_pass(backbone, frames_THWC)
    outside_THWC = frames_THWC.copy()
    outside_THWC[:first], outside_THWC[last + 1 :] = 255, 255
    found_SC, _ = in_one_pass(backbone, outside_THWC)
    assert_close(found_SC[step], expected_SC[step])
    for edge in (first, last):
        inside_THWC = frames_THWC.copy()
        inside_THWC[edge] = 255
        found_SC, _ = in_one_pass(backbone, inside_THWC)
        assert np.abs(found_SC[step] - expected_SC[step]).max() > 0


def test_chunks_that_are_no_whole_steps_are_refused(backbone: nn.Module) -> None:
    with pytest.raises(ValueError, match="multiple of 8, got 12"):
        FeatureStream(backbone, chunk_frames=12)


@pytest.mark.parametrize(("has_units", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_precision_follows_the_hardware(
    monkeypatch: pytest.MonkeyPatch, has_units: bool, expected: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": has_units}, raising=False)
    assert compute_dtype("cuda", "auto") is torch.bfloat16
    assert compute_dtype("cpu", "auto") is torch.float32
    assert compute_dtype("cpu", "fast") is expected


@pytest.mark.parametrize("window", [Window(3, 1, 1, 1), Window(7, 2, 2, 3), Window(1, 2), Window(5, 4, 2, 2)])
@pytest.mark.parametrize("lengths", [[12, 20, 8], [1, 1, 3, 0, 35], [0, 40]])
def test_any_window_slides_over_any_chunks(window: Window, lengths: list[int]) -> None:
    x_NCTHW = torch.arange(40.0).view(1, 1, 40, 1, 1)

    def means(x_NCTHW: torch.Tensor) -> torch.Tensor:
        return x_NCTHW.unfold(2, window.kernel, window.stride).mean(-1)

    whole_NCTHW = over_time(means, x_NCTHW, window=window, carry=Carry(last=True), key="")
    carry, parts = Carry(), []
    for index, chunk_NCTHW in enumerate(x_NCTHW.split(lengths, dim=2)):
        carry.last = index == len(lengths) - 1
        parts.append(over_time(means, chunk_NCTHW, window=window, carry=carry, key=""))
    torch.testing.assert_close(torch.cat(parts, dim=2), whole_NCTHW)


def test_branches_that_lag_are_waited_for() -> None:
    x_NCTHW = torch.arange(10.0).view(1, 1, 10, 1, 1)
    carry = Carry()
    first = align([x_NCTHW[:, :, :6], x_NCTHW[:, :, :2]], carry=carry, key="")
    second = align([x_NCTHW[:, :, 6:], x_NCTHW[:, :, 2:9]], carry=carry, key="")
    assert [part.flatten().tolist() for part in first] == [[0, 1], [0, 1]]
    assert [part.flatten().tolist() for part in second] == [[2, 3, 4, 5, 6, 7, 8]] * 2
