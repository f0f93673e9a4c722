"""Training of a backbone on clips: that it learns, what it begins with, that a stop does no harm, and the command."""

import csv
import io
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
import torch
from films import COLOURS, config_of, make_films, splits_of, train_small
from rich.console import Console
from torch import Tensor, nn
from typer.testing import CliRunner, Result

from detectors import backbones
from detectors.backbones.contract import Backbone
from detectors.backbones.trained import is_trained_backbone, load_trained_backbone
from pipeline.config import ConfigError
from pipeline.errors import StopRun
from reports.training import class_table
from run import app
from training.begin_backbone import begin, class_keys, rates_of
from training.clip_batches import decoded, inputs_of, validation_batches
from training.clip_footage import ClipReader
from training.train_backbone import BackboneTraining
from training.validate_clips import Accuracy, accuracy_of, labels_of, probabilities_of

pytestmark = pytest.mark.usefixtures("one_thread")

NETWORKS = ["i3d", "slowfast_r50_4x16", "r3d_18", "s3d", "mvit_v2_s", "swin3d_t", *backbones.FAMILIES]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The annotations of red and blue actions."""
    return make_films(tmp_path_factory.mktemp("films") / "set")


@pytest.fixture(scope="module")
def outcome(films: Path) -> BackboneTraining:
    """Of a small network, whose file is mine.pt beside the annotations."""
    config = config_of("single_frame")
    return train_small(config, splits_of(films, config), films.parent / "mine.pt")


# That it learns.


def test_a_network_learns_to_tell_actions_apart_and_its_file_says_how(films: Path, outcome: BackboneTraining) -> None:
    assert outcome.accuracy.top1 >= 0.9 and outcome.accuracy.there_K.tolist() == [6, 6]
    trained = load_trained_backbone(films.parent / "mine.pt")
    assert (trained.name, trained.class_names) == ("single_frame", ("blue", "red"))
    assert trained.design == {"image_network": "small"}
    assert trained.frames == {"rate": 12.5, "short_side": 32, "fit": "keep"}
    assert (
        trained.provenance["accuracy"] == outcome.accuracy.top1 and trained.provenance["annotations"] == "actions.csv"
    )
    assert all(tensor.is_contiguous() for tensor in trained.state.values())


def test_the_file_holds_what_was_judged(films: Path, outcome: BackboneTraining) -> None:
    config = config_of("single_frame")
    network = backbones.load("single_frame", films.parent / "mine.pt")
    validation = splits_of(films, config).validation
    reader = ClipReader(config, network.contract)
    probabilities_GK = probabilities_of(validation, network, reader, config.training, "cpu")
    assert accuracy_of(probabilities_GK, labels_of(validation)).top1 == outcome.accuracy.top1
    with (films.parent / "mine.training" / "validation.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["video"] for row in rows] == [one.name for one in validation]
    assert [row["found"] for row in rows] == [network.contract.class_names[best] for best in probabilities_GK.argmax(1)]
    np.testing.assert_allclose([float(row["probability"]) for row in rows], probabilities_GK.max(1), atol=1e-6)


def test_labels_in_random_order_teach_nothing(films: Path, tmp_path: Path) -> None:
    config = config_of("single_frame", "training.shuffle_labels=true")
    outcome = train_small(config, splits_of(films, config, shuffle_seed=0), tmp_path / "none.pt")
    assert outcome.accuracy.top1 < 0.7


def test_a_network_over_time_learns_as_well(films: Path, tmp_path: Path) -> None:
    config = config_of("slow_fusion", "training.clips.flip=true", "training.clips.crop=0.8")
    outcome = train_small(config, splits_of(films, config), tmp_path / "mine.pt")
    assert outcome.accuracy.top1 >= 0.9


def test_averaged_weights_have_statistics_that_fit_them(films: Path, tmp_path: Path) -> None:
    """At the end, when weights hardly move, they say what the latest say; with the first statistics they do not."""
    config = config_of("single_frame", "training.ema=0.95")
    splits = splits_of(films, config)
    state = train_small(config, splits, tmp_path / "mine.pt").state

    def logits_of(network: nn.Module) -> Tensor:
        assert isinstance(network, Backbone)
        reader = ClipReader(config, network.contract)
        batches = decoded(reader, validation_batches(splits.validation, reader, config.training))
        with torch.inference_mode():
            return torch.cat([network.eval()(*inputs_of(batch, network.contract, "cpu")) for batch in batches])

    latest, averaged = logits_of(state.network), logits_of(state.averaged)
    for module in state.averaged.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
    assert (averaged - latest).norm() < 0.5 * latest.norm() < (logits_of(state.averaged) - latest).norm()


def test_blocks_that_do_not_learn_stay_as_they_were_statistics_and_all(films: Path, tmp_path: Path) -> None:
    config = config_of("single_frame", "training.clips.blocks=1", "training.epochs=2")
    splits = splits_of(films, config)
    torch.manual_seed(config.training.seed)
    before, after = begin(config, splits.class_names), train_small(config, splits, tmp_path / "mine.pt").state.network
    assert isinstance(after, Backbone)
    pairs = zip(before.blocks(), after.blocks(), strict=True)
    assert [same(one, other) for one, other in pairs] == [True, True, False]
    assert not torch.equal(before.state_dict()["head.weight"], after.state_dict()["head.weight"])


def same(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(tensor, other.state_dict()[key]) for key, tensor in one.state_dict().items())


# What it begins with.


def begun(*overrides: str, names: tuple[str, ...] = ("blue", "red"), family: str = "single_frame") -> Backbone:
    torch.manual_seed(11)
    return begin(config_of(family, *overrides), names)


def test_given_weights_are_kept_all_but_a_head_of_other_classes(films: Path, outcome: BackboneTraining) -> None:
    given = load_trained_backbone(films.parent / "mine.pt").state
    weights = f"backbone.weights={films.parent / 'mine.pt'}"
    same, other = begun(weights).state_dict(), begun(weights, names=("blue", "green", "red")).state_dict()
    renamed = begun(weights, names=("red", "yellow")).state_dict()
    assert all(torch.equal(same[key], tensor) for key, tensor in given.items())
    heads = {"head.weight", "head.bias"}
    assert {key for key in given if not torch.equal(given[key], renamed[key])} == heads
    assert {key for key in given if key not in heads and not torch.equal(given[key], other[key])} == set()
    assert other["head.weight"].shape[0] == 3


def test_a_training_goes_on_from_another_with_other_classes(
    films: Path, outcome: BackboneTraining, tmp_path: Path
) -> None:
    """Only the head learns anew at the full rate; one short epoch is enough then."""
    (tmp_path / "videos").symlink_to(films.parent / "videos")
    text = films.read_text().replace("blue", "cold").replace("red", "warm")
    (tmp_path / "actions.csv").write_text(text)
    own = (f"backbone.weights={films.parent / 'mine.pt'}", "training.epochs=2", "training.clips.given_rate=0.01")
    config = config_of("single_frame", *own)
    after = train_small(config, splits_of(tmp_path / "actions.csv", config), tmp_path / "new.pt")
    assert after.accuracy.top1 >= 0.9
    assert load_trained_backbone(tmp_path / "new.pt").class_names == ("cold", "warm")


def test_image_weights_begin_a_family(tmp_path: Path) -> None:
    source = backbones.create("single_frame", image_network="small")
    images = source.get_submodule("images")
    layers = {key.split(".", 2)[2]: tensor for key, tensor in images.state_dict().items()}
    torch.save(layers, tmp_path / "images.pt")
    network = begun(f"training.clips.image_weights={tmp_path / 'images.pt'}")
    own = network.state_dict()
    assert all(torch.equal(own[f"images.{key}"], tensor) for key, tensor in images.state_dict().items())


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (("training.clips.image_weights=no.pt",), r"^training\.clips\.image_weights: no\.pt cannot be read"),
        (
            ("backbone.name=r3d_18", "backbone.design.image_network=null", "training.clips.image_weights=no.pt"),
            r"^training\.clips\.image_weights: r3d_18 does not begin with an image network",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_field(overrides: tuple[str, ...], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        begun(*overrides)


def test_image_weights_beside_weights_of_the_whole_are_refused(films: Path, outcome: BackboneTraining) -> None:
    with pytest.raises(ConfigError, match=r"^training\.clips\.image_weights: backbone\.weights names"):
        begun(f"backbone.weights={films.parent / 'mine.pt'}", "training.clips.image_weights=x.pt")


def test_image_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "images.pt")
    with pytest.raises(ConfigError, match=r"^training\.clips\.image_weights: not the weights of small"):
        begun(f"training.clips.image_weights={tmp_path / 'images.pt'}")


@pytest.mark.parametrize("name", NETWORKS)
def test_of_every_network_all_parts_but_the_heads_learn_slowly_if_they_were_given(name: str) -> None:
    parameters = [key for key, _ in backbones.outline(name).named_parameters()]
    rates = rates_of(name, {}, 0.1)
    of_each = [[rate for beginning, rate in rates.items() if key.startswith(beginning)] for key in parameters]
    assert all(len(found) == 1 for found in of_each)
    heads = class_keys(name, {})
    assert heads and all(rate == 1 for key, (rate,) in zip(parameters, of_each, strict=True) if key in heads)


# That a stop does no harm.


@pytest.mark.parametrize("in_an_epoch", [False, True])
def test_a_training_that_is_stopped_ends_as_if_it_never_was(films: Path, tmp_path: Path, in_an_epoch: bool) -> None:
    config = config_of("slow_fusion", "training.clips.memory_gb=0", "training.epochs=4")
    splits = splits_of(films, config)
    whole = train_small(config, splits, tmp_path / "whole.pt")

    done: list[int] = []

    def stop(row: dict[str, Any]) -> None:
        done.append(row["epoch"])
        if len(done) == 2 and not in_an_epoch:
            raise KeyboardInterrupt

    def stop_between(step: int, steps: int) -> None:
        if len(done) == 2 and step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_small(config, splits, tmp_path / "stopped.pt", epoch=stop, step=stop_between)
    assert not (tmp_path / "stopped.pt").exists()
    epochs: list[int] = []
    kept_in_memory = config_of("slow_fusion", "training.epochs=4")
    gone_on = train_small(
        kept_in_memory, splits, tmp_path / "stopped.pt", epoch=lambda row: epochs.append(row["epoch"])
    )
    assert epochs == [3, 4]
    for own, others in (
        (whole.state.network.state_dict(), gone_on.state.network.state_dict()),
        (whole.state.averaged.state_dict(), gone_on.state.averaged.state_dict()),
        (whole.state.chosen.weights, gone_on.state.chosen.weights),
    ):
        assert all(torch.equal(tensor, others[key]) for key, tensor in own.items())


@pytest.mark.parametrize(
    "override",
    ["training.seed=1", "training.clips.flip=true", "backbone.design.clip_frames=3", "frames.short_side=48"],
)
def test_a_checkpoint_of_another_training_is_refused(films: Path, outcome: BackboneTraining, override: str) -> None:
    config = config_of("single_frame", override)
    with pytest.raises(StopRun, match="other settings"):
        train_small(config, splits_of(films, config), films.parent / "mine.pt")


def test_a_finished_training_is_only_judged_again(films: Path, outcome: BackboneTraining) -> None:
    config = config_of("single_frame")
    epochs: list[dict[str, Any]] = []
    again = train_small(config, splits_of(films, config), films.parent / "mine.pt", epoch=epochs.append)
    assert not epochs and again.accuracy.top1 == outcome.accuracy.top1


# The command.


def call(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "200", "TERM": "dumb"}).invoke(app, [str(one) for one in arguments])


SETS = (
    *("backbone.design.image_network=small", "frames.short_side=32", "engine.device=cpu", "training.epochs=5"),
    *("training.warmup_epochs=1", "training.learning_rate=0.005", "training.ema=0.8", "training.clips.batch=4"),
)


def train(films: Path, out: Path, *overrides: str, config: str = "families/single_frame") -> Result:
    return call(
        *("train", "backbone", "--config", config, "--annotations", films, "--videos", films.parent / "videos"),
        *("--out", out, *(part for one in (*SETS, *overrides) for part in ("--set", one))),
    )


def test_the_command_trains_and_tells_and_detect_uses_what_came_of_it(films: Path, tmp_path: Path) -> None:
    annotations = tmp_path / "actions.csv"
    (tmp_path / "videos").mkdir()
    for path in (films.parent / "videos").iterdir():
        (tmp_path / "videos" / path.name).symlink_to(path)
    (tmp_path / "videos" / "broken.mp4").write_bytes(b"this is no video")
    rows = ["nowhere,0,1,red,training", "broken,0,1,red,training"]
    annotations.write_text("\n".join([films.read_text(), *rows]))
    result = train(annotations, tmp_path / "mine.pt")
    assert result.exit_code == 0, result.output
    assert (
        "20 actions to train on, 12 to validate on (by the file's subsets); 2 classes; clips of 4 frames"
        in result.stdout
    )
    assert "epoch 5/5  loss: class 0." in result.stdout and "  accuracy 100.0  " in result.stdout
    assert "1 annotated video not among --videos: 'nowhere'" in result.stderr
    assert "broken.mp4 is left out: " in result.stderr
    assert "2 videos to train on cannot be used: nowhere, broken" in result.stderr
    beside = {path.name for path in (tmp_path / "mine.training").iterdir()}
    assert beside == {"checkpoint.pt", "curve.png", "metrics.parquet", "validation.csv"}
    assert is_trained_backbone(tmp_path / "mine.pt")

    found = call(
        *("detect", films.parent / "videos" / "film6.mp4", "--out", tmp_path / "found", "--engine", "local"),
        *("--config", "families/single_frame", "--set", f"backbone.weights={tmp_path / 'mine.pt'}"),
        *("--set", "cache.features=off"),
    )
    assert found.exit_code == 0, found.output
    labels = duckdb.sql(f"select distinct label from '{tmp_path}/found/segments/*.parquet'").fetchall()
    assert labels and {label for (label,) in labels} <= set(COLOURS)


def test_classes_told_worst_come_first_and_the_rest_is_summed_up() -> None:
    there_K = np.array([0, *[10] * 25])
    accuracy = Accuracy(0.5, 0.5, 0.9, right_K=np.array([0, *range(10), *[10] * 15]), there_K=there_K)
    out = io.StringIO()
    Console(file=out, width=100).print(class_table(accuracy, [f"class {number}" for number in range(26)]))
    lines = [line.split() for line in out.getvalue().splitlines()]
    assert (
        len(lines) == 22
        and lines[1] == ["class", "1", "10", "0", "0.0"]
        and lines[2] == ["class", "2", "10", "1", "10.0"]
    )
    assert lines[-1] == ["and", "5", "more", "50", "50", "100.0"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("backbone", "--config", "families/single_frame"), "--videos is missing"),
        (("backbone", "--config", "nonsense", "--videos", "."), "no config 'nonsense'"),
        (("anchor_free_i3d", "--config", "r3d_18", "--videos", "."), "--config names what `train backbone` trains"),
        (("backbone", "--classes", "x", "--videos", "."), "--validation and --classes are of people"),
        (
            ("backbone", "--config", "ava_slowfast_r50", "--videos", ".", "--set", "backbone.weights=random"),
            "backbone.name: slowfast_r50_8x8_detection classifies boxes only",
        ),
        (
            ("backbone", "--videos", ".", "--set", "training.finetune.epochs=1"),
            "training.features and training.finetune are of localizers",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line(films: Path, arguments: tuple[str, ...], text: str) -> None:
    result = call("train", *arguments, "--annotations", films, "--out", films.parent / "none.pt")
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith(text) and result.stderr.count("\n") == 1


def test_weights_of_another_network_are_refused_in_one_line(films: Path, outcome: BackboneTraining) -> None:
    weights = f"backbone.weights={films.parent / 'mine.pt'}"
    result = train(films, films.parent / "none.pt", weights, config="families/slow_fusion")
    assert result.exit_code == 2
    assert result.stderr.startswith("backbone.name: ") and result.stderr.count("\n") == 1
    torch.save({"head.weight": torch.zeros(1)}, films.parent / "state.pt")
    result = train(films, films.parent / "none.pt", f"backbone.weights={films.parent / 'state.pt'}")
    assert result.exit_code == 2
    assert result.stderr.startswith("backbone.weights: ") and result.stderr.count("\n") == 1
