"""Training on a problem made for it: it is learned, by the seed alone, and a kill in between changes nothing."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_training import CLASSES, STEP_S, shuffled, splits, train_small, video
from torch import Tensor

from detectors.temporal.trained import load_trained
from pipeline.config import ConfigError
from pipeline.errors import StopRun
from pipeline.records import Span
from training.collect import Splits
from training.place import Place
from training.state import TrainingState
from training.videos import AnnotatedVideo

pytestmark = pytest.mark.usefixtures("one_thread")

TESTS = Path(__file__).parent
LEARNED = pytest.mark.parametrize("name", ["anchor_free", "temporal_rcnn"])
SHORT = ("training.epochs=3", "training.batch=2")  # of six steps each


class Stop(Exception):  # noqa: N818 - it names what happens
    """Somebody stops the training."""


def best_map(state: TrainingState) -> float:
    return max(row["average_map"] for row in state.history)


def weights(model: Path) -> dict[str, Tensor]:
    return load_trained(model).state


def assert_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    """To the bit."""
    assert one.keys() == other.keys()
    assert [key for key in one if not torch.equal(one[key], other[key])] == []


# What is learned.


@LEARNED
def test_it_is_learned_and_labels_at_random_are_not(name: str, tmp_path: Path) -> None:
    state = train_small(tmp_path / "model.pt", name)
    assert state.chosen.average_map > 0.9
    assert best_map(train_small(tmp_path / "shuffled.pt", name, data=shuffled(splits()))) < 0.65  # a third by chance
    losses = [sum(value for key, value in row.items() if key.startswith("loss_")) for row in state.history]
    assert losses[-1] < 0.6 * losses[0]


def test_the_probe_is_trained_as_well(tmp_path: Path) -> None:
    state = train_small(tmp_path / "model.pt", "step_probe")
    assert best_map(state) > 0.15 and best_map(state) > 2 * state.history[0]["average_map"] - 0.05


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """An uninterrupted short training of each network."""
    folder = tmp_path_factory.mktemp("short")
    yield {name: trained_short(folder, name) for name in ("anchor_free", "temporal_rcnn")}


def trained_short(folder: Path, name: str) -> Path:
    train_small(folder / f"{name}.pt", name, *SHORT)
    return folder / f"{name}.pt"


def test_the_file_holds_what_a_detector_needs(short: dict[str, Path]) -> None:
    trained = load_trained(short["temporal_rcnn"])
    assert trained.name == "temporal_rcnn" and trained.class_names == CLASSES
    assert trained.features.step_s == STEP_S and trained.features.backbone_digest == "abc"
    assert trained.design["scales"] == trained.localizer["temporal_rcnn"]["network"]["scales"]
    assert trained.provenance["training_videos"] == 6 and trained.provenance["annotations"] == "actions.csv"
    found = json.loads(Place(short["temporal_rcnn"]).validation.read_text())["results"]
    assert set(found) == {"validation 0", "validation 1", "validation 2"}
    assert {one["label"] for rows in found.values() for one in rows} <= set(CLASSES)


# The same again.


@LEARNED
def test_the_seed_alone_decides(name: str, short: dict[str, Path], tmp_path: Path) -> None:
    train_small(tmp_path / "again.pt", name, *SHORT)
    assert_equal(weights(tmp_path / "again.pt"), weights(short[name]))
    train_small(tmp_path / "other.pt", name, *SHORT, "training.seed=1")
    other = weights(tmp_path / "other.pt")
    assert any(not torch.equal(other[key], tensor) for key, tensor in weights(short[name]).items())


def stopping(at_epoch: int) -> Any:
    def epoch(row: dict[str, Any]) -> None:
        if row["epoch"] == at_epoch:
            raise Stop

    return epoch


@LEARNED
@pytest.mark.parametrize("at_epoch", [1, 2, 3])
def test_stopped_after_any_epoch_it_goes_on_as_if_it_never_was(
    name: str, at_epoch: int, short: dict[str, Path], tmp_path: Path
) -> None:
    told: list[int] = []
    with pytest.raises(Stop):
        train_small(tmp_path / "model.pt", name, *SHORT, epoch=stopping(at_epoch))
    state = train_small(tmp_path / "model.pt", name, *SHORT, epoch=lambda row: told.append(row["epoch"]))
    assert told == list(range(at_epoch + 1, 4)) and [row["epoch"] for row in state.history] == [1, 2, 3]
    assert_equal(weights(tmp_path / "model.pt"), weights(short[name]))


def test_stopped_in_every_epoch_it_goes_on_as_if_it_never_was(short: dict[str, Path], tmp_path: Path) -> None:
    stop_in = iter([2, 6 + 1, 6 + 5])  # steps: in the first epoch, then in the second, then in the third
    for steps in stop_in:
        with pytest.raises(Stop):
            train_small(tmp_path / "model.pt", "anchor_free", *SHORT, step=stopping_after(steps))
    train_small(tmp_path / "model.pt", "anchor_free", *SHORT)
    assert_equal(weights(tmp_path / "model.pt"), weights(short["anchor_free"]))


def stopping_after(steps: int) -> Any:
    made = iter(range(1, 1000))

    def step(done: int, total: int) -> None:
        assert total == 6
        if next(made) == steps:
            raise Stop

    return step


KILLED = """
import sys, torch
from pathlib import Path
from small_training import train_small
torch.set_num_threads(1)
say = lambda *words: print(*words, flush=True)
train_small(Path(sys.argv[1]), "temporal_rcnn", *sys.argv[2:], step=say, epoch=lambda row: say("epoch"))
"""


def test_killed_in_the_middle_of_an_epoch_it_goes_on_as_if_it_never_was(short: dict[str, Path], tmp_path: Path) -> None:
    model = tmp_path / "model.pt"
    environment = {**os.environ, "PYTHONPATH": f"{TESTS.parent}:{TESTS}"}
    command = [sys.executable, "-c", KILLED, str(model), *SHORT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        epochs = 0
        for line in process.stdout:
            epochs += line.startswith("epoch")
            if epochs == 2 and line.startswith("3 "):
                process.send_signal(signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL and not model.exists()
    train_small(model, "temporal_rcnn", *SHORT)
    assert_equal(weights(model), weights(short["temporal_rcnn"]))


def test_a_finished_training_is_only_written_anew(short: dict[str, Path]) -> None:
    before, epochs = weights(short["anchor_free"]), []
    train_small(short["anchor_free"], "anchor_free", *SHORT, epoch=epochs.append)
    assert epochs == []
    assert_equal(weights(short["anchor_free"]), before)


# What stops it.


@pytest.mark.parametrize(
    "override",
    ["training.seed=3", "training.learning_rate=0.1", "localizer.nms.iou_threshold=0.3", "training.epochs=4"],
)
def test_a_checkpoint_of_other_settings_is_not_gone_on_with(short: dict[str, Path], override: str) -> None:
    with pytest.raises(StopRun, match="other settings, annotations or videos"):
        train_small(short["anchor_free"], "anchor_free", *SHORT, override)


def test_a_checkpoint_of_other_videos_or_annotations_is_not_gone_on_with(short: dict[str, Path]) -> None:
    whole = splits()
    moved = replace(whole.training[0], spans_s_G2=whole.training[0].spans_s_G2 + 0.1)
    longer = replace(whole.training[0], duration_s=whole.training[0].duration_s + STEP_S)
    darker = lost_from(whole.training[0], (0.0, 5.0))
    for training in (whole.training[1:], *([one, *whole.training[1:]] for one in (moved, longer, darker))):
        with pytest.raises(StopRun, match="other settings, annotations or videos"):
            data = Splits(training, whole.validation, whole.class_names)
            train_small(short["anchor_free"], "anchor_free", *SHORT, data=data)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 nothing"])
def test_a_damaged_checkpoint_is_told_in_one_line(content: bytes, tmp_path: Path) -> None:
    place = Place(tmp_path / "model.pt")
    place.folder.mkdir()
    place.checkpoint.write_bytes(content)
    with pytest.raises(StopRun, match=r"checkpoint\.pt cannot be read: remove it") as caught:
        train_small(place.model, "anchor_free")
    assert "\n" not in str(caught.value)


def test_a_foreign_checkpoint_is_told_in_one_line(tmp_path: Path) -> None:
    place = Place(tmp_path / "model.pt")
    place.folder.mkdir()
    for content in ({"weight": torch.zeros(3)}, [1], torch.zeros(3)):
        torch.save(content, place.checkpoint)
        with pytest.raises(StopRun, match=r"checkpoint\.pt"):
            train_small(place.model, "anchor_free")


def test_losses_that_are_not_finite_stop_it_and_leave_no_file(tmp_path: Path) -> None:
    with pytest.raises(StopRun, match="the loss is not finite"):
        train_small(tmp_path / "model.pt", "anchor_free", "training.learning_rate=1.0e+30")
    assert not (tmp_path / "model.pt").exists()


def test_it_ends_early_when_validation_gets_no_better(tmp_path: Path) -> None:
    calm = ("training.learning_rate=1.0e-12", "training.patience=2")
    state = train_small(tmp_path / "model.pt", "anchor_free", *calm)
    assert len(state.history) == 3
    assert state.chosen.best_epoch == 1 and state.chosen.epoch == 3  # as good, and its weights have settled


def test_validation_may_be_rare_but_comes_at_the_end(tmp_path: Path) -> None:
    state = train_small(tmp_path / "model.pt", "anchor_free", *SHORT, "training.validate_every=2")
    assert ["average_map" in row for row in state.history] == [False, True, True]


def test_a_disk_that_refuses_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "model.training").write_text("a file where a folder should be")
    with pytest.raises(StopRun, match="cannot write to"):
        train_small(tmp_path / "model.pt", "anchor_free")


# Videos of all kinds.


def lost_from(one: AnnotatedVideo, *lost: Span) -> AnnotatedVideo:
    return replace(one, lost=lost)


@pytest.mark.parametrize("name", ["anchor_free", "temporal_rcnn", "step_probe"])
def test_videos_without_actions_lost_steps_and_short_ones_are_no_trouble(name: str, tmp_path: Path) -> None:
    quiet = replace(video("quiet", 50), spans_s_G2=np.zeros((0, 2)), labels_G=np.zeros(0, np.int64))
    brief = replace(
        video("brief", 51, num_steps=3, cut_at=2), spans_s_G2=np.array([[0.1, 0.9]]), labels_G=np.array([1])
    )
    training = [
        *splits().training,
        quiet,
        brief,
        lost_from(video("dark", 52), (0.0, 1000.0)),
        lost_from(video("half dark", 53), (10.0, 30.0)),
        replace(video("gap", 54), blocks=video("gap", 54).blocks[1:]),
    ]
    validation = [*splits().validation, quiet, lost_from(video("dark too", 55), (0.0, 1000.0)), brief]
    small = (*SHORT, "training.augmentation.crop_steps=60", "training.batch=3")
    state = train_small(tmp_path / "model.pt", name, *small, data=Splits(training, validation, CLASSES))
    assert all(bool(torch.isfinite(tensor).all()) for tensor in weights(tmp_path / "model.pt").values())
    losses = [row["loss_class"] for row in state.history]
    assert losses[-1] < losses[0]


def test_videos_that_show_nothing_cannot_be_learned_from(tmp_path: Path) -> None:
    training = [lost_from(one, (0.0, 1000.0)) for one in splits().training]
    with pytest.raises(StopRun, match="every step is lost"):
        train_small(tmp_path / "model.pt", "anchor_free", data=Splits(training, splits().validation, CLASSES))


def test_streams_are_trained_side_by_side(tmp_path: Path) -> None:
    streams = "localizer.temporal_rcnn.network.stream_channels"
    state = train_small(tmp_path / "model.pt", "temporal_rcnn", *SHORT, f"{streams}=[4, 4]")
    assert best_map(state) > 0.3
    with pytest.raises(ConfigError, match="they add up to 9, but features have 8 channels"):
        train_small(tmp_path / "other.pt", "temporal_rcnn", *SHORT, f"{streams}=[4, 5]")
