"""What a backbone costs is counted as its publishers count it, and what is done twice is little."""

from functools import cache

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from detectors import backbones
from detectors.backbones import torchvision_video
from detectors.dense.carry import Carry
from detectors.dense.form import Dense
from detectors.inference import bench, cost
from pipeline.settings import SegmentSettings

pytestmark = pytest.mark.usefixtures("one_thread")

CONVOLUTIONAL = ("i3d", "slowfast_r50_8x8", "r3d_18", "s3d", "r2plus1d_18")
TORCHVISION_FRAMES = 16  # of the clips whose operations torchvision counted


@cache
def cost_of(name: str) -> cost.Cost:
    return cost.cost_of(name)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("slowfast_r50_8x8", 34_566_488),
        ("slowfast_r50_4x16", 34_480_216),
        ("slowfast_r101_8x8", 62_826_968),
        ("slowfast_r50_8x8_detection", 33_828_888),
    ],
)
def test_slowfast_has_as_many_parameters_as_published(name: str, parameters: int) -> None:
    assert cost_of(name).parameters == parameters


def test_a_clip_of_i3d_costs_222_giga_operations() -> None:
    assert cost_of("i3d").contract.clip_frames == 64
    assert cost_of("i3d").flop_per_clip == pytest.approx(222e9, rel=0.01)


@pytest.mark.parametrize(
    ("name", "published"),  # 1e9 a clip in pytorchvideo's model zoo, one for each multiply-add
    [("slowfast_r50_8x8", 65.71), ("slowfast_r50_4x16", 36.69), ("slowfast_r101_8x8", 127.2)],
)
def test_a_clip_costs_two_operations_for_each_multiply_add_published(name: str, published: float) -> None:
    assert cost_of(name).flop_per_clip == pytest.approx(2e9 * published, rel=0.02)  # theirs count norms in part


@pytest.mark.parametrize("name", torchvision_video.MAKERS)
def test_a_clip_costs_what_torchvision_says(name: str) -> None:
    from torchvision.models import get_model_weights

    weights = next(iter(get_model_weights(name)))
    with torch.device("meta"):
        backbone = backbones.create(name).eval()
    counted = cost.flop_of_clip(backbone, TORCHVISION_FRAMES)
    (crop,) = set(weights.transforms().crop_size)
    counted_at_their_size = counted * (crop / backbone.contract.short_side) ** 2
    assert counted_at_their_size == pytest.approx(2e9 * weights.meta["_ops"], rel=0.02)


def test_an_attention_network_costs_a_whole_clip_every_step() -> None:
    found = cost_of("mvit_v2_s")
    assert found.flop_per_step == found.flop_per_clip == pytest.approx(2e9 * 64.224, rel=0.02)
    assert found.flop_per_s == found.windowed_flop_per_s == found.flop_per_clip * 7.5 / 4


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_a_step_costs_what_a_longer_run_costs_more(name: str) -> None:
    with torch.device("meta"):
        backbone = backbones.create(name).eval()
    assert backbone.trunk is not None
    dense, contract = Dense(backbone.trunk), backbone.contract

    def flop(steps: int) -> int:
        shape = (1, 3, steps * contract.stride, contract.short_side, contract.short_side)
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            dense(torch.empty(shape, device="meta"), Carry(last=True))
        return counter.get_total_flops()

    assert flop(23) - flop(20) == 3 * cost_of(name).flop_per_step


def test_window_by_window_i3d_costs_eight_times_as_much() -> None:
    found = cost_of("i3d")
    assert found.steps_per_s == 25 / 8
    assert found.windowed_flop_per_s / found.flop_per_s == pytest.approx(8, rel=0.01)


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_a_segment_computes_at_most_five_percent_beyond_its_own_steps(name: str) -> None:
    segments = SegmentSettings()
    found = cost.redundancy(name, segment_s=segments.length_s, chunk_frames=segments.chunk_frames)
    assert 0 < found <= 0.05


@pytest.mark.parametrize("name", ["slowfast_r50_8x8", "r2plus1d_18"])
def test_in_smaller_chunks_nothing_more_is_computed(name: str) -> None:
    small, large = (cost.redundancy(name, segment_s=8.0, chunk_frames=frames) for frames in (16, 64))
    assert small == pytest.approx(large, abs=1e-3)


def test_what_is_computed_twice_is_a_share_that_longer_segments_lessen() -> None:
    short, long = (cost.redundancy("r3d_18", segment_s=seconds, chunk_frames=64) for seconds in (16.0, 64.0))
    assert short == pytest.approx(4 * long, rel=0.02)


@pytest.mark.parametrize("name", ["mvit_v2_s", "swin3d_t"])
def test_a_network_without_a_dense_form_is_not_compared(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name} sees whole clips only: there is nothing to compare$"):
        bench.bench([name], device="cpu", precision="float32")


def test_raw_video_has_as_many_bytes_as_the_course_says() -> None:
    """EECS 498-007: SD video, 640x480 at 30 frames a second, 1.5 GB a minute; 16 frames of 112x112, 588 KB."""
    assert cost.raw_bytes(60 * 30, 480, 640) / 2**30 == pytest.approx(1.5, abs=0.05)
    assert cost.raw_bytes(16, 112, 112) == 588 * 2**10


def test_a_clip_costs_by_its_design_and_its_pictures() -> None:
    toy, small = (cost.cost_of("slow_fusion", image_network=images) for images in ("toy", "small"))
    # 3-D convolutions of 27 weights: 16 frames of 112x112 with 3 channels to 12, a 64th of the cells with 12 to 24.
    assert toy.flop_per_clip == 2 * 27 * 16 * 112**2 * (3 * 12 + 12 * 24 // 64) + 2 * 27 * 16 * 112**2 // 2
    assert small.parameters != toy.parameters
    backbone = backbones.outline("slow_fusion", image_network="toy")
    assert cost.flop_of_clip(backbone, 16, side=56) == toy.flop_per_clip / 4


def test_speeds_are_told_from_seconds_a_step() -> None:
    speed = bench.Speed(
        "net", 3 * 10**12, steps_per_s=5.0, redundant=0.0, dense_s=[0.1, 0.02, 0.01], windowed_s=[0.4] * 3
    )
    assert speed.times_realtime == pytest.approx(10.0)  # 50 steps a second, of the 5 that make one of video
    assert speed.ratios == pytest.approx([4.0, 20.0, 40.0])
    assert speed.tflops == pytest.approx(150.0)


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989.0),
        ("NVIDIA H100 PCIe", 756.0),
        ("NVIDIA A100-SXM4-80GB", 312.0),
        ("NVIDIA L4", 121.0),
        ("NVIDIA L40", None),
    ],
)
def test_what_a_gpu_can_do_at_most_is_known_by_its_name(name: str, peak: float | None) -> None:
    assert bench.peak_of(name) == peak
