"""Networks that see and hear: what they compute, what they learn, and that recordings are heard as they are cut."""

import os
from math import log
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
import torch
from recordings import record
from rich.console import Console
from sounding import noise, sounding, tone
from torch import nn
from torch.nn import functional

from detectors import backbones
from detectors.backbones.contract import Backbone
from detectors.backbones.families.audio_visual import AudioVisualLate
from detectors.backbones.families.bottleneck_fusion import BottleneckFusion
from detectors.backbones.families.log_mel import LogMel, mel_bands
from detectors.backbones.families.sound_network import SoundNetwork, vectors_of
from pipeline.config import load_config
from pipeline.detection import detect
from pipeline.progress import Progress
from pipeline.records import FrameChunk, Source
from pipeline.segments import segments_of
from pipeline.sources import list_sources
from stages.build import build_feature_stages, build_stages, resolve_features
from training.footage import decoded, features_of

pytestmark = pytest.mark.usefixtures("one_thread")

BOTH = ["audio_visual_late", "audio_visual_bottleneck"]
SIDE, FRAMES, A = 32, 4, 1280


def small(name: str, **settings: Any) -> Backbone:
    torch.manual_seed(0)
    given = {"image_network": "small", "clip_frames": FRAMES, "width": 32, "class_names": ("low", "high")}
    return backbones.create(name, **given | settings)


# The spectrogram


def wave(hertz: float, length_s: float = 1.0) -> torch.Tensor:
    return torch.sin(2 * torch.pi * hertz * torch.arange(int(16_000 * length_s)) / 16_000)


def test_a_tone_is_loudest_in_the_band_of_its_pitch_and_silence_is_zero() -> None:
    log_mel = LogMel()
    assert log_mel(torch.zeros(1, 16_000)).abs().max() < 1e-6
    found = [int(log_mel(wave(hertz)[None])[0].mean(dim=0).argmax()) for hertz in (150.0, 440.0, 1000.0, 4000.0)]
    low, high = (1127 * log(1 + hertz / 700) for hertz in (125.0, 7500.0))
    middles = 700 * (torch.expm1((low + (high - low) / 65 * torch.arange(1, 65)) / 1127))
    assert found == [int((middles - hertz).abs().argmin()) for hertz in (150.0, 440.0, 1000.0, 4000.0)]


def test_it_is_that_of_vggish() -> None:
    """Step by step as its own code computes it (mel_features.py), but for the shift."""
    sound_M = noise(1.0, 16_000, seed=3)[:, 0].astype(np.float64)
    window = 0.5 - 0.5 * np.cos(2 * np.pi / 400 * np.arange(400))
    frames = np.stack([sound_M[start : start + 400] * window for start in range(0, 16_000 - 399, 160)])
    magnitudes = np.abs(np.fft.rfft(frames, 512))
    bins_mel = 1127.0 * np.log(1.0 + np.linspace(0.0, 8000.0, 257) / 700.0)
    edges_mel = np.linspace(1127.0 * np.log(1.0 + 125 / 700.0), 1127.0 * np.log(1.0 + 7500 / 700.0), 66)
    weights = np.empty((257, 64))
    for band in range(64):
        lower, middle, upper = edges_mel[band : band + 3]
        rising, falling = (bins_mel - lower) / (middle - lower), (upper - bins_mel) / (upper - middle)
        weights[:, band] = np.maximum(0.0, np.minimum(rising, falling))
    weights[0, :] = 0.0
    expected = np.log(magnitudes @ weights + 0.01) - np.log(0.01)
    found = LogMel()(torch.from_numpy(sound_M.astype(np.float32))[None])[0].numpy()
    assert found.shape == (98, 64)
    np.testing.assert_allclose(found, expected, atol=2e-4)
    np.testing.assert_allclose(mel_bands().numpy(), weights, atol=1e-4)


def test_sound_becomes_a_vector_every_sixth_of_a_second() -> None:
    for frames in (4, 16, 25):
        vectors_NSC = SoundNetwork(8)(torch.zeros(2, frames, A))
        assert vectors_NSC.shape == (2, vectors_of(frames * A), 8)
        assert vectors_of(frames * A) == pytest.approx(frames / 12.5 / 0.16, abs=1)


# The fusions


@pytest.mark.parametrize("name", BOTH)
def test_what_is_heard_and_what_is_seen_both_tell(name: str) -> None:
    backbone = small(name).eval()
    pictures, sounds = torch.randn(2, 3, FRAMES, SIDE, SIDE), torch.randn(2, FRAMES, A) / 4
    no_pictures, no_sounds = torch.zeros_like(pictures), torch.zeros_like(sounds)
    with torch.inference_mode():
        answer, unheard, unseen = (
            backbone(*given) for given in ((pictures, sounds), (pictures, no_sounds), (no_pictures, sounds))
        )
    assert (answer - unheard).abs().min() > 1e-5 and (answer - unseen).abs().min() > 1e-5


def test_late_fusion_averages_the_probabilities_of_streams_that_learn_apart() -> None:
    backbone = small("audio_visual_late").eval()
    assert isinstance(backbone, AudioVisualLate)
    given = torch.randn(3, 3, FRAMES, SIDE, SIDE), torch.randn(3, FRAMES, A)
    features_NC = backbone.encode(*given).features_NC
    seen_NK, heard_NK = backbone.head.logits(features_NC).values()
    torch.testing.assert_close(backbone(*given).exp(), (seen_NK.softmax(-1) + heard_NK.softmax(-1)) / 2)
    labels_N = torch.tensor([0, 1, 1])
    losses = backbone.losses(functional.cross_entropy, labels_N, *given)
    assert losses.keys() == {"image", "sound"}
    torch.testing.assert_close(losses["sound"], functional.cross_entropy(heard_NK, labels_N))
    losses["sound"].backward()
    assert all(one.grad is None or not one.grad.any() for one in backbone.images.parameters())
    assert all(one.grad is not None and one.grad.any() for one in backbone.sound.parameters())


@pytest.mark.parametrize(("layers", "together"), [(1, False), (2, True)])
def test_streams_reach_each_other_by_the_bottleneck_alone(layers: int, together: bool) -> None:
    """What one layer writes into it, the next one reads; after one layer no stream knows of the other."""
    torch.manual_seed(0)
    fusion = BottleneckFusion(16, (3, 5), layers=layers)
    nn.init.normal_(fusion.bottleneck)
    (a, other_a), (b, other_b) = torch.randn(2, 1, 3, 16), torch.randn(2, 1, 5, 16)
    with torch.inference_mode():
        mixed = fusion(a, b) + fusion(other_a, other_b) - fusion(a, other_b) - fusion(other_a, b)
    assert bool(mixed.abs().max() > 1e-4) is together


# What they learn


def examples(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pictures of noise, beside a low or a high tone at any loudness in some noise, and which of them it is."""
    generator = torch.Generator().manual_seed(seed)
    labels_N = torch.arange(count) % 2
    hertz_N1 = torch.where(labels_N == 0, 400.0, 900.0)[:, None] * (1 + 0.2 * torch.rand(count, 1, generator=generator))
    loud_N1 = 0.05 + 0.5 * torch.rand(count, 1, generator=generator)
    sound_NM = loud_N1 * torch.sin(2 * torch.pi * hertz_N1 * torch.arange(FRAMES * A) / 16_000)
    sound_NM += 0.01 * torch.randn(sound_NM.shape, generator=generator)
    pictures = torch.randn(count, 3, FRAMES, SIDE, SIDE, generator=generator)
    return pictures, sound_NM.reshape(count, FRAMES, A), labels_N


@pytest.mark.parametrize("name", BOTH)
def test_classes_that_only_sound_tells_apart_are_learned_in_seconds(name: str) -> None:
    backbone = small(name).train()
    pictures, sounds, labels_N = examples(96, seed=0)
    optimizer = torch.optim.AdamW(backbone.parameters(), lr=1e-3)
    for step in range(40):
        rows = torch.randperm(96, generator=torch.Generator().manual_seed(step))[:24]
        losses = backbone.losses(functional.cross_entropy, labels_N[rows], pictures[rows], sounds[rows])
        optimizer.zero_grad()
        sum(losses.values(), torch.zeros(())).backward()
        optimizer.step()
    pictures, sounds, labels_N = examples(64, seed=1)
    with torch.inference_mode():
        heard_N = backbone.eval()(pictures, sounds).argmax(dim=1) == labels_N
        silent_N = backbone(pictures, torch.zeros_like(sounds)).argmax(dim=1) == labels_N
    assert heard_N.float().mean() >= 0.95 and silent_N.float().mean() <= 0.7


# From files to tables

TRY_OUT = (
    *("backbone.weights=random", "backbone.precision=float32", "backbone.design.image_network=small"),
    *("backbone.design.clip_frames=8", "frames.short_side=32", "output.features=true", "engine.device=cpu"),
)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same pictures beside noise (longer than is decoded in one go), beside a tone, and without sound."""
    folder, size = tmp_path_factory.mktemp("recordings"), (96, 64)
    return {
        "noise": sounding(folder / "noise.mp4", noise(12), length_s=12),
        "tone": sounding(folder / "tone.mp4", tone(440, 12, 44_100, 2), length_s=12, rate=44_100),
        "silent": record(folder / "silent.mp4", frames=300, size=size),
    }


def features(recording: Path, out: Path, config: str, *overrides: str) -> np.ndarray:
    settings = load_config(f"families/{config}", [*TRY_OUT, *overrides])
    with Path(os.devnull).open("w") as nowhere:
        sources, progress = list_sources([str(recording)]), Progress(Console(file=nowhere))
        detect(sources, settings, out, make_stages=build_stages, progress=progress, engine="local")
    query = f"select feature from '{out}/features/*.parquet' order by start_s"
    return np.array([row[0] for row in duckdb.connect().sql(query).fetchall()], np.float32)


@pytest.mark.parametrize("name", BOTH)
def test_how_a_recording_is_cut_does_not_change_what_is_heard(
    name: str, recordings: dict[str, Path], tmp_path: Path
) -> None:
    found = {}
    for sound, path in recordings.items():
        whole = features(path, tmp_path / sound / "whole", name)
        cut_up = ("segments.length_s=2.5", "engine.compute_frames=16", "segments.chunk_frames=8")
        cut = features(path, tmp_path / sound / "cut", name, *cut_up)
        assert whole.shape == cut.shape and len(whole) == 38
        assert np.abs(whole - cut).max() <= 2e-3 * np.abs(whole).max()  # they are stored as float16
        found[sound] = whole
    for one, other in (("noise", "silent"), ("tone", "silent"), ("noise", "tone")):
        assert np.abs(found[one] - found[other]).max(axis=1).min() > 1e-2 * np.abs(found[one]).max()


def test_features_with_gradients_are_those_of_the_feature_stage(recordings: dict[str, Path]) -> None:
    """At a video's start, inside, and at its end, beyond which there is silence."""
    config = resolve_features(load_config("families/audio_visual_bottleneck", [*TRY_OUT]))
    stages, path = build_feature_stages(config), recordings["noise"]
    video = stages.probe(Source("noise", str(path), path.stat().st_size))
    (segment,) = segments_of(video, 1000.0, stages.step_s)
    stages.features.setup(1)
    chunks = list(stages.decode(segment))
    assert all(one.sound_TA is not None and one.sound_TA.any() for one in chunks if isinstance(one, FrameChunk))
    wanted_SC = stages.features(segment, chunks).features.features_SC.astype(np.float32)
    backbone = backbones.load(config.backbone.name, None, **config.backbone.design.given).eval()
    for steps in (range(3), range(17, 19), range(len(wanted_SC) - 2, len(wanted_SC))):
        footage = decoded(stages.decode, video, steps, step_s=stages.step_s, stride=backbone.contract.stride)
        with torch.inference_mode():
            own_SC = features_of(backbone, footage, "cpu").numpy()
        half = np.finfo(np.float16).eps / 2  # the stage keeps features in half precision
        np.testing.assert_allclose(own_SC, wanted_SC[steps.start : steps.stop], atol=1e-4, rtol=half)
