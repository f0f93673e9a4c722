"""Claims about preparing a backbone: which precision, and that compiled code computes the same."""

import numpy as np
import pytest
import torch
from networks import lively

from detectors import backbones
from detectors.inference.prepared import Inference, compute_dtype
from detectors.inference.stream import open_stream

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(("has_units", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_precision_follows_the_hardware(
    monkeypatch: pytest.MonkeyPatch, has_units: bool, expected: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": has_units}, raising=False)
    assert compute_dtype("cuda", "auto") is torch.bfloat16
    assert compute_dtype("cpu", "auto") is torch.float32
    assert compute_dtype("cpu", "fast") is expected


def features(inference: Inference, frames_THWC: np.ndarray) -> np.ndarray:
    stream = open_stream(inference, chunk_frames=16)
    return np.concatenate([steps.features_SC for steps in stream.push(frames_THWC) + stream.finish()])


@pytest.mark.parametrize("mode", ["default", "reduce-overhead"])
def test_compiled_it_computes_the_same(mode: str) -> None:
    """R3D skips frames between chunks, so that more than tensors is carried; its ends run uncompiled."""
    backbone = lively("r3d_18")
    frames_THWC = np.random.default_rng(0).integers(0, 256, (150, 32, 32, 3), dtype=np.uint8)
    expected = features(Inference(backbone), frames_THWC)
    torch.compiler.reset()
    torch._dynamo.utils.counters.clear()
    found = features(Inference(backbone, compile_mode=mode), frames_THWC)  # type: ignore[arg-type]
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0  # or nothing was compiled at all


def test_a_network_that_scores_boxes_gives_features_without_logits() -> None:
    backbone = backbones.outline("slowfast_r50_8x8_detection")
    assert backbone.head is None
    with pytest.raises(TypeError):
        backbone(torch.zeros(1, 3, 32, 64, 64, device="meta"))


def test_a_step_of_a_network_that_scores_boxes_has_no_logits() -> None:
    inference = Inference(lively("slowfast_r50_8x8_detection"))
    stream = open_stream(inference, chunk_frames=16)
    steps = stream.push(np.zeros((20, 32, 32, 3), np.uint8)) + stream.finish()
    assert sum(len(one.features_SC) for one in steps) == 5
    assert all(one.logits_SK is None for one in steps)
