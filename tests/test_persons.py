"""People of segments: which clip and which part of the map their class scores come from, however a video is cut."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import ceil
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import lively
from recordings import record

from detectors import backbones, weights
from detectors.backbones.slowfast import SlowFastDetection
from detectors.persons.box_features import BoxFeatures
from pipeline.config import ConfigError, load_config
from pipeline.contracts import FeatureStages
from pipeline.records import DecodeReport, FrameChunk, KeyFrames, PersonBoxes, Segment, Source, Video
from pipeline.segments import segments_of
from stages.build import build_feature_stages
from stages.decode import Decode, Sampling
from stages.persons import Around
from stages.picture import Size
from stages.probe import Probe

pytestmark = pytest.mark.usefixtures("one_thread")

BOXES = ((0.0, 0.0, 0.5, 1.0), (0.25, 0.125, 1.0, 0.875))
TRY_OUT = ("persons=on", "backbone.weights=random", "frames.short_side=64", "backbone.precision=float32")


def box_file(path: Path, times: Sequence[float], video: str = "a.mp4") -> Path:
    """Two people who stand still, in AVA's form."""
    rows = [f"{video},{time_s},{','.join(map(str, box))},1" for time_s in times for box in BOXES]
    path.write_text("\n".join(rows) + "\n")
    return path


def probed(path: Path, stages: FeatureStages) -> Video:
    return stages.probe(Source(path.name, str(path), path.stat().st_size))


def people(stages: FeatureStages, video: Video, length_s: float) -> PersonBoxes:
    """Of all segments, one after another."""
    parts = []
    frames = 0
    for segment in segments_of(video, length_s, stages.step_s):
        part = stages.features(segment, stages.decode(segment)).people
        assert part is not None
        parts.append(replace(part, frame_N=part.frame_N + frames))
        frames += len(part.times_F)
    columns = {name: [getattr(part, name) for part in parts] for name in PersonBoxes.__dataclass_fields__}
    assert set(columns.pop("video")) == {video.key}
    return PersonBoxes(video.key, **{name: np.concatenate(column) for name, column in columns.items()})


def sampled(stages: FeatureStages, video: Video) -> np.ndarray:
    """All frames of a video."""
    (segment,) = segments_of(video, 1e6, stages.step_s)
    chunks = [item for item in stages.decode(segment) if isinstance(item, FrameChunk)]
    return np.concatenate([chunk.frames_THWC for chunk in chunks])


def reference_sequence(centre: int, half: int, rate: int, count: int) -> list[int]:
    """PySlowFast's get_sequence."""
    return [min(max(index, 0), count - 1) for index in range(centre - half, centre + half, rate)]


def test_slowfast_sees_the_references_clip_about_each_key_frame(tmp_path: Path) -> None:
    """32 of 64 frames at 30 a second, the key frame the 33rd of them, clamped at both ends of the video."""
    path = record(tmp_path / "a.mp4", frames=75, fps=30)
    boxes = box_file(tmp_path / "boxes.csv", [0, 1, 2])
    overrides = (*TRY_OUT, "localizer.name=off", "backbone.name=slowfast_r50_8x8_detection")
    stages = build_feature_stages(load_config("kinetics400", [*overrides, f"persons.detector.boxes={boxes}"]))
    stages.features.setup(1)
    video = probed(path, stages)
    found = people(stages, video, 1e6)

    network = backbones.load("slowfast_r50_8x8_detection", None).eval()
    assert isinstance(network, SlowFastDetection)
    frames_THWC = sampled(build_feature_stages(load_config("kinetics400", [*overrides, "frames.rate=30"])), video)
    clips_NTHWC = np.stack([frames_THWC[reference_sequence(30 * second, 32, 2, 75)] for second in range(3)])
    clips_NCTHW = (torch.from_numpy(clips_NTHWC).permute(0, 4, 1, 2, 3).float() / 255 - 0.45) / 0.225
    height, width = frames_THWC.shape[1:3]
    pixels_24 = np.array(BOXES) * [width, height, width, height]
    boxes_M5 = np.concatenate([np.repeat(np.arange(3), 2)[:, None], np.tile(pixels_24, (3, 1))], axis=1)
    with torch.inference_mode():
        expected = network(clips_NCTHW, torch.from_numpy(boxes_M5).float()).numpy()
    assert found.times_F.tolist() == [0, 1, 2] and found.frame_N.tolist() == [0, 0, 1, 1, 2, 2]
    assert found.logits_NK is not None and found.logits_NK.shape == (6, 80)
    np.testing.assert_allclose(1 / (1 + np.exp(-found.logits_NK)), expected, atol=1e-4)


def test_another_backbone_gives_its_own_class_scores_of_its_map_in_the_box(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", frames=100)
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("".join(f"a.mp4,{second},0,0,1,1,1\n" for second in range(4)))
    stages = build_feature_stages(load_config("kinetics400", [*TRY_OUT, f"persons.detector.boxes={boxes}"]))
    stages.features.setup(1)
    video = probed(path, stages)
    (segment,) = segments_of(video, 1e6, stages.step_s)
    result = stages.features(segment, stages.decode(segment))
    assert result.people is not None and result.people.logits_NK is not None
    around, head = Around(stages.step_s, 1.0), backbones.load("i3d", None).head
    assert head is not None
    for second, feature_C, logits_K in zip(range(4), result.people.features_NC, result.people.logits_NK, strict=True):
        first, last = around(second)
        whole_C = result.features.features_SC[max(first, 0) : last + 1].astype(np.float32).mean(axis=0)
        # RoIAlign weighs the border less than the middle, so of the whole picture it is near the mean, not equal.
        assert np.corrcoef(feature_C.astype(np.float32), whole_C)[0, 1] > 0.98
        with torch.inference_mode():
            np.testing.assert_allclose(
                logits_K, head(torch.from_numpy(feature_C.astype(np.float32))).numpy(), atol=2e-3
            )


@pytest.mark.parametrize(("backbone", "rate"), [("i3d", 2), ("slowfast_r50_8x8_detection", 1)])
def test_people_do_not_depend_on_how_the_video_is_cut(tmp_path: Path, backbone: str, rate: int) -> None:
    path = record(tmp_path / "a.mp4", frames=160)
    boxes = box_file(tmp_path / "boxes.csv", [k / rate for k in range(ceil(6.4 * rate))])
    weights = tmp_path / "lively.pt"
    torch.save(lively(backbone).state_dict(), weights)
    overrides = (f"backbone.name={backbone}", f"persons.rate={rate}", f"persons.detector.boxes={boxes}")
    settings = [*TRY_OUT, *overrides, "localizer.name=off", f"backbone.weights={weights}"]
    stages = build_feature_stages(load_config("kinetics400", settings))
    stages.features.setup(1)
    video = probed(path, stages)
    whole, cut = people(stages, video, 1e6), people(stages, video, 2.0)
    assert len(whole) == 2 * len(whole.times_F) == 2 * ceil(6.4 * rate)
    for name in ("times_F", "frame_N", "boxes_N4", "scores_N", "looks_NL"):
        np.testing.assert_array_equal(getattr(cut, name), getattr(whole, name))
    assert whole.logits_NK is not None and cut.logits_NK is not None
    assert whole.logits_NK.std(axis=0).max() > 1e-3  # they do differ from frame to frame
    np.testing.assert_allclose(cut.logits_NK, whole.logits_NK, atol=1e-3 * np.abs(whole.logits_NK).max())


def test_key_frames_without_people_are_key_frames(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", frames=80)
    boxes = box_file(tmp_path / "boxes.csv", [1.0])
    stages = build_feature_stages(load_config("kinetics400", [*TRY_OUT, f"persons.detector.boxes={boxes}"]))
    stages.features.setup(1)
    found = people(stages, probed(path, stages), 1e6)
    assert found.times_F.tolist() == [0, 1, 2, 3] and found.frame_N.tolist() == [1, 1]


@pytest.mark.parametrize("window_s", [0.0, 0.3, 1.0, 2.5])
@pytest.mark.parametrize("step_s", [0.32, 0.25, 1.0])
def test_steps_around_an_instant_are_those_whose_middle_is_near(step_s: float, window_s: float) -> None:
    around = Around(step_s, window_s)
    for time_s in (0.0, 0.5, 1.0, 7.0, 100.0):
        first, last = around(time_s)
        own = int(time_s / step_s + 1e-6)
        for step in range(first - 2, last + 3):
            near = abs((step + 0.5) * step_s - time_s) <= window_s / 2 + 1e-6
            assert (first <= step <= last) == (near or step == own)
        assert own - first <= around.reach and last - own <= around.reach


def test_the_decoder_gives_the_halo_that_people_need(tmp_path: Path) -> None:
    def frames(*overrides: str) -> int:
        stages = build_feature_stages(load_config("kinetics400", [*TRY_OUT, *overrides]))
        video = probed(record(tmp_path / "a.mp4", frames=300), stages)
        segment = segments_of(video, 2.0, stages.step_s)[1]
        return sum(item.frames for item in stages.decode(segment) if isinstance(item, DecodeReport))

    assert frames("persons.window_s=0") < frames("persons.window_s=2")


# With real weights


def clip_of(name: str, start_s: float) -> np.ndarray:
    """Three seconds of a sample, 128x128."""
    path = weights.fetch(name)
    video = Probe()(Source(name, str(path), path.stat().st_size))
    decode = Decode(Sampling(Fraction(25), 0, 0, 75, Size(128, "squash")))
    chunk = next(iter(decode(Segment(video, 0, start_s, start_s + 3.0, is_last=False))))
    assert isinstance(chunk, FrameChunk)
    return chunk.frames_THWC


@pytest.mark.network
def test_what_a_person_does_is_told_by_their_side_of_the_picture(tmp_path: Path) -> None:
    """Of two clips side by side, each half's scores are those of its clip beside nothing, not those of the other."""
    halves = ((0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0))
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("".join(f"a.mp4,1,{','.join(map(str, half))},1\n" for half in halves))
    overrides = ["persons=on", "backbone.precision=float32", f"persons.detector.boxes={boxes}"]
    stages = build_feature_stages(load_config("kinetics400", overrides))
    stages.features.setup(1)
    segment = Segment(probed(record(tmp_path / "a.mp4", frames=75), stages), 0, 0.0, 3.0, is_last=True)

    def scores(left_THWC: np.ndarray, right_THWC: np.ndarray) -> np.ndarray:
        key_frames = KeyFrames(np.zeros((1, 300, 300, 3), np.uint8), np.array([1.0]))
        frames_THWC = np.concatenate([left_THWC, right_THWC], axis=2)
        chunk = FrameChunk("a.mp4", frames_THWC, np.arange(75) / 25, key_frames)
        found = stages.features(segment, [chunk, DecodeReport(end_s=3.0)]).people
        assert found is not None and found.logits_NK is not None
        return found.logits_NK[np.argsort(found.boxes_N4[:, 0])]

    people_THWC, street_THWC = clip_of("sample_people", 3.0), clip_of("sample_street", 1.0)
    nothing_THWC = np.zeros_like(people_THWC)
    both = scores(people_THWC, street_THWC)
    alone = scores(people_THWC, nothing_THWC)[0], scores(nothing_THWC, street_THWC)[1]
    alike = np.corrcoef([*both, *alone])[:2, 2:]
    assert alike.diagonal().min() > 0.8, alike
    assert alike.diagonal().min() > alike[[0, 1], [1, 0]].max() + 0.5, alike


# What cannot run


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["frames.fit=crop"], "frames.fit: people are looked for in the whole picture: keep or squash"),
        (["persons.detector.name=yolo"], "persons.detector.name: unknown 'yolo'; one of: fasterrcnn_"),
        (["persons.detector.weights=i3d_kinetics400"], "persons.detector.weights: 'i3d_kinetics400' is neither a file"),
        (["persons.detector.boxes=none.csv"], "persons.detector.boxes: there is no file none.csv"),
        (
            ["backbone.name=slowfast_r50_8x8_detection", "persons.rate=2"],
            "persons.rate: slowfast_r50_8x8_detection sees a clip about each key frame, so 15.0 frames",
        ),
    ],
)
def test_what_cannot_run_is_refused_by_its_field(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_feature_stages(load_config("kinetics400", [*TRY_OUT, *overrides]))
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)


def test_what_takes_seconds_to_import_is_there_before_the_first_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torchvision.ops", raising=False)
    BoxFeatures(backbones.load("slowfast_r50_4x16", None))
    assert "torchvision.ops" in sys.modules
