"""Every ready-made config runs the main job on a real file, and how the file is cut for work does not show."""

import hashlib
import json
import os
import shutil
from math import ceil
from pathlib import Path

import duckdb
import numpy as np
import pytest
import torch
from recordings import record
from rich.console import Console
from untrained import untrained

from detectors import backbones, checkpoints
from detectors.temporal.networks import NETWORKS
from detectors.weights import WEIGHTS
from pipeline.config import ConfigError, load_config, ready_made
from pipeline.detection import detect
from pipeline.progress import Progress
from pipeline.results import ResultsFolder
from pipeline.settings import Config
from pipeline.sources import list_sources
from stages.build import build_feature_stages, build_stages, provenance, resolve

READY = ready_made()
SECONDS, FEW_SECONDS = 3.4, 1.5  # attention is slow on a CPU
TRY_OUT = (
    *("backbone.weights=random", "persons.detector.weights=random"),
    *("output.features=true", "backbone.precision=float32"),
)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[float, Path]:
    """By length, seconds."""
    folder = tmp_path_factory.mktemp("recordings")
    return {
        length_s: record(folder / f"{length_s}.mp4", frames=ceil(25 * length_s), gop=10)
        for length_s in (SECONDS, FEW_SECONDS)
    }


def run(recording: Path, out: Path, config: str, *overrides: str) -> None:
    settings = load_config(config, [*TRY_OUT, *overrides])
    with Path(os.devnull).open("w") as nowhere:
        progress = Progress(Console(file=nowhere))
        detect(
            list_sources([str(recording)]), settings, out, make_stages=build_stages, progress=progress, engine="local"
        )


def small(config: str) -> tuple[float, list[str]]:
    """A length of recording, seconds, and overrides: as little work as the backbone lets one have."""
    contract = backbones.outline(load_config(config).backbone.name).contract
    return (SECONDS if contract.dense else FEW_SECONDS), ([] if contract.square else ["frames.short_side=64"])


def detector_for(config: str, overrides: list[str], path: Path) -> list[str]:
    """The override that names a detector, for configs whose localizer must be trained first."""
    settings = load_config(config, [*TRY_OUT, *overrides])
    if settings.localizer.name not in NETWORKS:
        return []
    return [f"localizer.weights={untrained(settings, path)}"]


def features(out: Path) -> np.ndarray:
    query = f"select feature from '{out}/features/*.parquet' order by start_s"
    return np.array([row[0] for row in duckdb.connect().sql(query).fetchall()])


@pytest.mark.parametrize("config", READY)
def test_every_ready_made_config_runs_the_main_job(config: str, recordings: dict[float, Path], tmp_path: Path) -> None:
    length_s, overrides = small(config)
    overrides += detector_for(config, overrides, tmp_path / "detector.pt")
    run(recordings[length_s], tmp_path, config, *overrides)
    status, duration_s = duckdb.sql(f"select status, duration_s from '{tmp_path}/videos/*.parquet'").fetchall()[0]
    assert (status, duration_s) == ("ok", pytest.approx(length_s, abs=0.04))
    settings = resolve(load_config(config, [*TRY_OUT, *overrides]))
    contract = backbones.outline(settings.backbone.name).contract
    found = features(tmp_path)
    steps = ceil(duration_s / build_feature_stages(settings).step_s - 1e-6)
    assert found.shape == (steps, contract.feature_channels)
    assert np.isfinite(found).all() and found.std(axis=0).max() > 0
    about = json.loads((tmp_path / "run.json").read_text())
    assert about["config"]["frames"] == settings.frames.model_dump(mode="json") and about["weights_hash"] == "random"


@pytest.mark.parametrize("config", ["slowfast_r50", "r3d_18", "mvit_v2_s"])
def test_how_a_video_is_cut_does_not_change_the_features(
    config: str, recordings: dict[float, Path], tmp_path: Path
) -> None:
    length_s, overrides = small(config)
    run(recordings[length_s], tmp_path / "whole", config, *overrides)
    cut_up = (f"segments.length_s={length_s / 3}", "engine.compute_frames=16")
    run(recordings[length_s], tmp_path / "cut", config, *overrides, *cut_up)
    whole, cut = features(tmp_path / "whole"), features(tmp_path / "cut")
    assert whole.shape == cut.shape
    assert np.abs(whole - cut).max() <= 2e-3 * np.abs(whole).max()  # they are stored as float16


def test_weights_may_be_a_file_of_ones_own(recordings: dict[float, Path], tmp_path: Path) -> None:
    path = tmp_path / "mine.pyth"
    state = checkpoints.state_in(backbones.load("slowfast_r50_8x8", None), "pytorchvideo")
    torch.save({"model_state": state}, path)
    for out, weights in (("mine", path), ("random", "random")):
        overrides = ("frames.short_side=64", f"backbone.weights={weights}")
        run(recordings[SECONDS], tmp_path / out, "slowfast_r50", *overrides)
    np.testing.assert_array_equal(features(tmp_path / "mine"), features(tmp_path / "random"))
    about = json.loads((tmp_path / "mine" / "run.json").read_text())
    assert about["weights_hash"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_of_another_network_is_refused_before_any_work(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save(backbones.load("mc3_18", None).state_dict(), path)
    with pytest.raises(ConfigError) as refused:
        resolve(load_config("slowfast_r50", [f"backbone.weights={path}"]))
    assert str(refused.value).startswith(f"backbone.weights: {path}: not a native checkpoint of this SlowFast: ")
    assert "\n" not in str(refused.value)


def test_a_file_of_another_person_detector_is_refused_before_any_work(tmp_path: Path) -> None:
    path = tmp_path / "other.pb"
    path.write_bytes(b"no graph")
    with pytest.raises(ConfigError, match=r"^persons\.detector\.weights: ") as refused:
        resolve(load_config("kinetics400_persons", [f"persons.detector.weights={path}", "backbone.weights=random"]))
    assert "\n" not in str(refused.value)


def test_how_a_file_is_spelt_makes_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers may live in another folder, and a result does not depend on the name of its weights."""
    path = tmp_path / "mine.pth"
    torch.save(backbones.load("mc3_18", None).state_dict(), path)
    monkeypatch.chdir(tmp_path)
    shutil.copy(path, tmp_path / "copy.pth")

    def resolved(weights: str) -> Config:
        return resolve(load_config("r3d_18", ["backbone.name=mc3_18", f"backbone.weights={weights}"]))

    assert resolved("mine.pth") == resolved(str(path))
    assert resolved("mine.pth").backbone.weights == str(path)
    assert provenance(resolved("copy.pth")) == provenance(resolved("mine.pth"))


# What is left to the backbone, and what does not fit it


def test_auto_is_what_the_backbone_was_trained_with() -> None:
    settings = resolve(load_config("kinetics400", ["backbone.name=r3d_18"]))
    assert settings.frames.sampled == (15.0, 128, "keep")
    assert settings.backbone.weights == "r3d_18_kinetics400"
    assert resolve(load_config("mvit_v2_s")).frames.sampled == (7.5, 224, "squash")
    assert resolve(load_config("mvit_v2_s", ["frames.fit=crop"])).frames.fit == "crop"


def test_what_is_set_is_kept() -> None:
    overrides = ["frames.rate=10", "frames.short_side=96", "frames.fit=crop", "backbone.weights=random"]
    settings = resolve(load_config("kinetics400", overrides))
    assert settings.frames.sampled == (10, 96, "crop") and settings.backbone.weights == "random"
    assert resolve(settings) == settings


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["backbone.name=mvit_v2_s", "frames.fit=keep"], "frames.fit: mvit_v2_s takes square pictures only"),
        (["backbone.name=swin3d_t", "frames.short_side=256"], "frames.short_side: swin3d_t takes pictures of 224"),
        (["backbone.name=slowfast_r50_8x8_detection"], "localizer.name: training_free needs class scores"),
        (["backbone.name=slowfst"], "backbone.name: unknown 'slowfst'; one of: audio_visual_bottleneck, "),
        (
            ["backbone.weights=nonsense"],
            "backbone.weights: 'nonsense' is neither a file nor one of the weights for i3d",
        ),
        (["backbone.weights=s3d_kinetics400"], "backbone.weights: 's3d_kinetics400' is neither a file nor one of the"),
        (["backbone.weights=sample_people"], "backbone.weights: 'sample_people' is neither a file nor one of the"),
    ],
)
def test_what_cannot_run_is_refused_by_its_field(overrides: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        build_stages(load_config("kinetics400", overrides), ResultsFolder(tmp_path), "r")
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)


def test_every_backbone_that_has_published_weights_names_them() -> None:
    assert set(backbones.PUBLISHED) == set(backbones.BACKBONES)
    assert {one for published in backbones.PUBLISHED.values() for one in published} <= set(WEIGHTS)


def test_random_weights_are_always_the_same_and_other_chance_is_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second = (backbones.load("mc3_18", None).state_dict() for _ in range(2))
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
