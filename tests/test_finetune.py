"""Fine-tuning: what learns and what stays, the same features as in detection, and what a user is left with."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
import torch
from networks import lively, outline
from recordings import record
from rich.console import Console
from typer.testing import CliRunner, Result

from detectors import backbones
from detectors.backbones.contract import Backbone
from detectors.backbones.nonlocal_block import NonLocal
from detectors.backbones.slowfast import Bottleneck
from detectors.temporal.networks import NETWORKS
from detectors.temporal.trained import load_trained
from pipeline.config import load_config
from pipeline.contracts import FeatureStages
from pipeline.extract import Extracted, extract
from pipeline.progress import Progress
from pipeline.records import Source, Video
from pipeline.segments import segments_of
from pipeline.settings import Config
from run import app
from stages.build import build_feature_stages, resolve_features
from training.collect import Splits
from training.finetune import EndToEnd, run_finetuning
from training.footage import decoded, features_of
from training.loop import Told
from training.place import Place
from training.stretches import Stretches
from training.tuned import keep_better
from training.videos import AnnotatedVideo, Lesson

pytestmark = pytest.mark.usefixtures("one_thread")

SILENT = Told(lambda done, total: None, lambda row: None)


def config_with(backbone: str, weights: Path | str, *overrides: str) -> Config:
    given = (f"backbone.name={backbone}", f"backbone.weights={weights}", "backbone.precision=float32")
    return resolve_features(load_config("r3d_18", [*given, "frames.short_side=64", "engine.device=cpu", *overrides]))


def weights_file(network: Backbone, folder: Path) -> Path:
    torch.save(network.state_dict(), folder / "weights.pt")
    return folder / "weights.pt"


def calm(backbone: Backbone) -> Backbone:
    """Where many blocks follow each other each adds less, or nothing, lest half precision overflows."""
    with torch.no_grad():
        for module in backbone.modules():
            if isinstance(module, Bottleneck):
                module.c.norm.weight.mul_(0.2)
            if isinstance(module, NonLocal):
                module.bn.weight.zero_()
    return backbone


def source_of(path: Path) -> Source:
    return Source(path.stem, str(path), path.stat().st_size)


# The parts.


@pytest.mark.parametrize("name", backbones.BACKBONES)
def test_blocks_of_a_backbone_are_all_of_it_but_its_heads(name: str) -> None:
    network = outline(name)
    assert isinstance(network, Backbone)
    found = [id(parameter) for block in network.blocks() for parameter in block.parameters()]
    wanted = {
        id(parameter) for key, parameter in network.named_parameters() if not key.startswith(("head.", "roi_head."))
    }
    assert len(found) == len(set(found)) and set(found) == wanted


@pytest.mark.parametrize("name", ["i3d", "r3d_18", "slowfast_r50_4x16", "slowfast_r101_8x8_detection"])
def test_features_are_those_of_the_feature_stage(name: str, tmp_path: Path) -> None:
    """At a video's start, inside, and at its end, whose last step is not full; densely, and clip by clip."""
    backbone = calm(lively(name))
    stages = build_feature_stages(config_with(name, weights_file(backbone, tmp_path)))
    video = stages.probe(source_of(record(tmp_path / "a.mp4", frames=163, size=(64, 64))))
    (segment,) = segments_of(video, 1000.0, stages.step_s)
    stages.features.setup(1)
    wanted_SC = stages.features(segment, stages.decode(segment)).features.features_SC.astype(np.float32)
    count, stride = len(wanted_SC), backbone.contract.stride
    assert wanted_SC.std(axis=0).max() > 1e-2
    for steps in (range(3), range(count // 2, count // 2 + 2), range(count - 2, count)):
        footage = decoded(stages.decode, video, steps, step_s=stages.step_s, stride=stride)
        with torch.inference_mode():
            own_SC = features_of(backbone, footage, "cpu").numpy()
        half = np.finfo(np.float16).eps / 2  # the stage keeps features in half precision
        np.testing.assert_allclose(own_SC, wanted_SC[steps.start : steps.stop], atol=1e-4, rtol=half)


@dataclass(frozen=True, eq=False, slots=True)
class Setting:
    """One short video to fine-tune R3D on."""

    config: Config
    stages: FeatureStages
    video: Video

    def run(self, folder: Path, told: Told = SILENT, **finetune: Any) -> EndToEnd:
        """What comes of `lively` and a probe."""
        tuning = self.config.training.finetune.model_copy(update={"stretch_s": 2.5, "learning_rate": 1e-3, **finetune})
        settings = self.config.training.model_copy(update={"finetune": tuning})
        torch.manual_seed(0)
        network = NETWORKS["step_probe"](num_classes=1, in_channels=512)
        lesson = Lesson(np.zeros((9, 512), np.float16), np.ones(9, bool), np.array([[1.0, 4.0]]), np.zeros(1, np.int64))
        return run_finetuning(
            EndToEnd(lively("r3d_18"), network, blocks=tuning.blocks),
            Stretches([lesson], [self.video], self.stages, settings),
            localizer="step_probe",
            num_classes=1,
            settings=settings,
            device="cpu",
            checkpoint=folder / "finetuning.pt",
            identity="this",
            told=told,
        )


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    config = config_with("r3d_18", "random", "frames.short_side=32")
    stages = build_feature_stages(config)
    path = record(tmp_path_factory.mktemp("tuned") / "a.mp4", frames=120, size=(32, 32))
    return Setting(config, stages, stages.probe(source_of(path)))


def changed(before: Backbone, after: Backbone) -> set[str]:
    """The parts of the trunk whose tensors are not the same."""
    assert before.trunk is not None and after.trunk is not None
    states = before.trunk.state_dict(), after.trunk.state_dict()
    return {name.split(".")[0] for name in states[0] if not torch.equal(states[0][name], states[1][name])}


@pytest.mark.parametrize(("blocks", "learning"), [(1, {"layer4"}), (2, {"layer3", "layer4"})])
def test_only_the_last_blocks_learn_and_their_statistics_stay(
    setting: Setting, tmp_path: Path, blocks: int, learning: set[str]
) -> None:
    before, tuned = lively("r3d_18"), setting.run(tmp_path, epochs=1, blocks=blocks)
    assert changed(before, tuned.backbone) == learning
    for name, statistic in before.named_buffers():
        assert torch.equal(statistic, tuned.backbone.get_buffer(name)), name


def test_a_killed_fine_tuning_goes_on_as_if_it_never_was(setting: Setting, tmp_path: Path) -> None:
    def kill(row: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    (tmp_path / "whole").mkdir()
    whole = setting.run(tmp_path / "whole", epochs=2)
    with pytest.raises(KeyboardInterrupt):
        setting.run(tmp_path, Told(SILENT.step, kill), epochs=2)
    resumed = setting.run(tmp_path, epochs=2)
    for (name, one), other in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(one, other), name


# The whole.


def call(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "200", "TERM": "dumb"}).invoke(app, [str(one) for one in arguments])


SETTINGS = (
    "backbone.precision=float32",
    "engine.device=cpu",
    "frames.short_side=32",
    "localizer.anchor_free.network.channels=16",
    "training.epochs=4",
    "training.warmup_epochs=1",
    "training.tious=[0.1]",  # so that detectors that learned next to nothing are as good as each other
    "training.finetune.epochs=1",
    "training.finetune.blocks=1",
    "training.finetune.stretch_s=5",
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two recordings, a backbone's weights, a cache of its own, and a detector fine-tuned by the command."""
    folder = tmp_path_factory.mktemp("finetuned")
    (folder / "videos").mkdir()
    database = {}
    for name, subset in (("one", "training"), ("two", "validation")):
        record(folder / "videos" / f"{name}.mp4", frames=150, size=(32, 32))
        database[name] = {"subset": subset, "annotations": [{"label": "counting", "segment": [0.0, 6.0]}]}
    (folder / "annotations.json").write_text(json.dumps({"database": database}))
    weights_file(lively("i3d"), folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNTRIMMED_CACHE", str(folder / "cache"))
        result = call(
            *("train", "anchor_free_i3d", "--annotations", folder / "annotations.json", "--videos", folder / "videos"),
            *("--out", folder / "model.pt", "--engine", "local"),
            *(part for one in (*SETTINGS, f"backbone.weights={folder / 'weights.pt'}") for part in ("--set", one)),
        )
        assert result.exit_code == 0, result.output
        assert "without a GPU this is slow" in result.stderr and "1 of 1 actions" in result.stderr
        assert "\nkept: the fine-tuned detector" in result.stdout
        yield folder


def test_the_command_leaves_the_tuned_backbone_in_a_file(place: Path) -> None:
    kept = backbones.load("i3d", place / "model.backbone.pt")
    assert changed(lively("i3d"), kept) == {"Mixed_5c"}
    averaged = torch.load(place / "model.training" / "finetuning.pt", weights_only=True)["averaged"]
    for name, tensor in kept.state_dict().items():
        assert torch.equal(tensor, averaged[f"backbone.{name}"]), name


def test_the_tuned_detector_detects_with_its_backbone_wherever_that_lies(place: Path) -> None:
    elsewhere = place / "elsewhere.pt"
    elsewhere.write_bytes((place / "model.backbone.pt").read_bytes())
    rows = []
    for number, more in enumerate(([], ["--set", f"backbone.weights={elsewhere}", "--set", "cache.features=off"])):
        out = place / f"found{number}"
        result = call(
            *("detect", place / "videos" / "two.mp4", "--out", out, "--engine", "local", *more),
            *("--set", f"localizer.weights={place / 'model.pt'}", "--set", "backbone.precision=float32"),
            *("--set", "engine.device=cpu"),
        )
        assert result.exit_code == 0, result.output
        query = f"select start_s, stop_s, score from '{out}/segments/*.parquet' order by score desc"
        rows.append(duckdb.connect().sql(query).fetchall())
    assert rows[0]
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-3)


def test_the_tuned_detector_refuses_the_backbone_as_it_was(place: Path) -> None:
    result = call(
        *("detect", place / "videos" / "two.mp4", "--out", place / "none", "--engine", "local"),
        *("--set", f"localizer.weights={place / 'model.pt'}", "--set", f"backbone.weights={place / 'weights.pt'}"),
    )
    assert result.exit_code == 2 and "trained on features of weights with sha256" in result.stderr


def test_a_fine_tuning_that_made_it_worse_is_not_kept(place: Path) -> None:
    model = place / "model.pt"
    trained, before = load_trained(model), (model.read_bytes(), (place / "model.backbone.pt").read_bytes())
    config = load_config("anchor_free_i3d", [*SETTINGS, f"backbone.weights={place / 'model.backbone.pt'}"])
    config = resolve_features(config)
    splits = splits_of(place, config)
    spoilt = trained.network()
    with torch.no_grad():
        for parameter in spoilt.parameters():
            parameter.zero_()
    kept = keep_better(
        config,
        splits,
        Place(model),
        EndToEnd(lively("i3d"), spoilt.eval(), blocks=1),
        device="cpu",
        extract=extracted,
    )
    assert not kept.kept and kept.after < kept.before
    assert (model.read_bytes(), (place / "model.backbone.pt").read_bytes()) == before
    assert not (place / "model.training" / "model.backbone.pt").exists()


def splits_of(place: Path, config: Config) -> Splits:
    sources = [source_of(place / "videos" / f"{name}.mp4") for name in ("one", "two")]
    videos = [
        AnnotatedVideo(
            one.source.key, one.features.blocks, 6.0, (), np.array([[0.0, 6.0]]), np.zeros(1, np.int64), one.source
        )
        for one in extracted(sources, config)
        if one.features is not None
    ]
    return Splits(videos[:1], videos[1:], ("counting",))


def extracted(sources: Any, config: Config) -> list[Extracted]:
    with Path(os.devnull).open("w") as nowhere:
        progress = Progress(Console(file=nowhere))
        return extract(sources, config, make_stages=build_feature_stages, progress=progress, engine="local")


def test_features_made_elsewhere_cannot_be_fine_tuned(place: Path) -> None:
    result = call(
        *("train", "anchor_free_i3d", "--annotations", place / "annotations.json", "--out", place / "other.pt"),
        *("--set", "training.finetune.epochs=1", "--set", "training.features.folder=x"),
        *("--set", "training.features.fps=25", "--set", "training.features.stride=8"),
    )
    assert result.exit_code == 2
    assert "training.finetune.epochs: " in result.stderr and result.stderr.count("\n") == 1
