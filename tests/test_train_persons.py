"""Training of a head that tells what people do: who is learned from, that it learns, and the whole of it on video."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from recordings import record
from small_training import nothing
from typer.testing import CliRunner, Result

from annotations.ava import read_boxes
from annotations.errors import AnnotationError
from annotations.records import Frame, LabelledBoxes
from detectors.persons.trained_head import load_head
from evaluation.ava import frame_map
from pipeline.config import load_config
from pipeline.errors import StopRun
from pipeline.records import PersonBoxes
from run import app
from training.loop import Told
from training.people import AnnotatedPeople, PeopleSplits, people_in, split_people
from training.person_head import HeadTraining, positive_weights, train_head
from training.place import Place

pytestmark = pytest.mark.usefixtures("one_thread")

CHANNELS = 12
CLASSES = ("sit", "talk", "wave")
IDS = (4, 7, 9)
BOXES = ((0.1, 0.1, 0.4, 0.9), (0.5, 0.1, 1 / 3 + 0.5, 0.9))
OTHERS = tuple((*box[:3], 0.7) for box in BOXES)


def labelled(*rows: tuple[str, float, Sequence[float], int], empty: Sequence[Frame] = ()) -> LabelledBoxes:
    """Rows of video, time, box, action."""
    frames = [*dict.fromkeys((video, f"{time:.6f}") for video, time, _, _ in rows), *empty]
    return LabelledBoxes(
        tuple(frames),
        np.array([frames.index((video, f"{time:.6f}")) for video, time, _, _ in rows]),
        np.array([box for _, _, box, _ in rows], np.float64),
        np.array([action for _, _, _, action in rows]),
    )


def block(times: Sequence[float], boxes: Sequence[tuple[int, Sequence[float]]], first: int) -> PersonBoxes:
    """Boxes by number of the key frame; feature 0 of each says the how manieth it is."""
    count = len(boxes)
    features_NC = np.zeros((count, CHANNELS), np.float16)
    features_NC[:, 0] = np.arange(first, first + count)
    return PersonBoxes(
        video="v",
        times_F=np.array(times),
        frame_N=np.array([frame for frame, _ in boxes], np.int64),
        boxes_N4=np.array([box for _, box in boxes], np.float32).reshape(-1, 4),
        scores_N=np.ones(count, np.float32),
        looks_NL=np.zeros((count, 2), np.float16),
        features_NC=features_NC,
        logits_NK=None,
        cuts_M=np.zeros(0),
    )


# Who is learned from.


def test_annotated_people_get_the_features_of_their_boxes_whatever_the_order() -> None:
    left, right = BOXES
    annotated = labelled(("v", 0.667, right, 7), ("v", 0.667, left, 4), ("v", 0.333, left, 9), ("v", 0.667, right, 4))
    blocks = [block([0.0, 1 / 3], [(1, left)], 1), block([2 / 3, 1.0], [(0, left), (0, right)], 2)]
    people = people_in(annotated, blocks, (), np.array(IDS), 3.0)
    told = {
        (people.frames[frame][1], box[0], int(feature[0])): does.tolist()
        for frame, box, feature, does in zip(
            people.frame_N.tolist(), people.boxes_N4.tolist(), people.features_NC, people.does_NK, strict=True
        )
    }
    assert told == {
        ("0.333000", 0.1, 1): [False, False, True],
        ("0.667000", 0.1, 2): [True, False, False],
        ("0.667000", 0.5, 3): [True, True, False],
    }
    assert right[2] in people.boxes_N4[:, 2]  # as annotated, not as rounded on the way


def test_people_that_nobody_saw_and_those_in_lost_pictures_are_left_out() -> None:
    left, right = BOXES
    annotated = labelled(("v", 0.0, left, 4), ("v", 1.0, left, 4), ("v", 1.0, right, 7), ("v", 9.0, left, 4))
    people = people_in(annotated, [block([0.0, 1.0], [(0, left), (1, left)], 1)], [(0.0, 0.5)], np.array([4]), 1.0)
    assert people.frames == (("v", "1.000000"),) and people.features_NC[:, 0].tolist() == [2]


def test_whole_videos_are_held_out_each_row_on_one_side() -> None:
    rows = [(f"video {number % 5}", float(number), BOXES[0], 4) for number in range(20)]
    annotated = labelled(*rows, empty=[("nobody", "1.000000")])
    training, validation = split_people(annotated, 0.4, seed=0)
    sides = [{one.frames[frame][0] for frame in one.frame_N.tolist()} for one in (training, validation)]
    assert len(sides[0]) == 3 and len(sides[1]) == 2 and len(training) + len(validation) == 20
    assert not sides[0] & sides[1]
    with pytest.raises(AnnotationError, match="a split needs two"):
        split_people(labelled(("v", 1.0, BOXES[0], 4)), None, seed=0)


# That it learns.


def people(seed: int, frames: int = 60, video: str = "v") -> AnnotatedPeople:
    """Two on each key frame; class k, of which there is one in four, raises two channels of those who do it."""
    rng = np.random.default_rng(seed)
    does_NK = rng.random((2 * frames, len(CLASSES))) < 0.25
    features_NC = np.abs(rng.normal(0, 0.3, (2 * frames, CHANNELS)))
    features_NC[:, : 2 * len(CLASSES)] += 1.5 * np.repeat(does_NK, 2, axis=1)
    return AnnotatedPeople(
        frames=tuple((video, f"{time}.000000") for time in range(frames)),
        frame_N=np.repeat(np.arange(frames), 2),
        boxes_N4=np.tile(np.array(BOXES), (frames, 1)),
        features_NC=features_NC.astype(np.float16),
        does_NK=does_NK,
    )


SPLITS = PeopleSplits(people(0), people(1, 30, "w"), IDS, CLASSES)


def train_small(
    model: Path,
    *overrides: str,
    data: PeopleSplits = SPLITS,
    epoch: Callable[[dict[str, Any]], None] = nothing,
) -> HeadTraining:
    settings = ("epochs=8", "warmup_epochs=1", "learning_rate=0.02", "ema=0.9", "head.batch=32", "head.dropout=0.2")
    return train_head(
        load_config("persons", [*(f"training.{one}" for one in settings), *overrides]),
        data,
        Place(model),
        backbone_digest="abc",
        device="cpu",
        told=Told(nothing, epoch),
        provenance={"annotations": "people.csv"},
    )


@pytest.mark.parametrize("hidden", [0, 16])
def test_a_head_learns_what_several_things_at_once_look_like(tmp_path: Path, hidden: int) -> None:
    outcome = train_small(tmp_path / "head.pt", f"training.head.hidden={hidden}")
    assert outcome.judged.map_at_50 > 0.97
    assert outcome.state.chosen.average_map == pytest.approx(outcome.judged.map_at_50, abs=1e-6)
    head, validation = load_head(tmp_path / "head.pt"), SPLITS.validation
    assert head.class_names == CLASSES and head.features.channels == CHANNELS and head.features.window_s == 1.0
    assert ((head(validation.features_NC) > 0) == validation.does_NK).mean() > 0.85
    assert head.provenance["annotations"] == "people.csv"


def test_without_a_lesson_there_is_nothing_to_learn(tmp_path: Path) -> None:
    shuffled = np.random.default_rng(0).permutation(SPLITS.training.does_NK)
    data = replace_training(replace(SPLITS.training, does_NK=shuffled))
    assert train_small(tmp_path / "head.pt", data=data).judged.map_at_50 < 0.6


def replace_training(training: AnnotatedPeople) -> PeopleSplits:
    return PeopleSplits(training, SPLITS.validation, IDS, CLASSES)


def test_what_was_found_is_left_in_a_form_that_evaluates_to_the_same(tmp_path: Path) -> None:
    outcome = train_small(tmp_path / "head.pt")
    found = read_boxes(tmp_path / "head.training" / "validation.csv", scores=True)
    rows, classes = np.nonzero(SPLITS.validation.does_NK)
    truth = LabelledBoxes(
        SPLITS.validation.frames,
        SPLITS.validation.frame_N[rows],
        SPLITS.validation.boxes_N4[rows],
        np.array(IDS)[classes],
    )
    assert frame_map(truth, found, IDS).map_at_50 == pytest.approx(outcome.judged.map_at_50, abs=1e-12)


def test_a_training_that_is_stopped_ends_as_if_it_never_was(tmp_path: Path) -> None:
    whole = train_small(tmp_path / "whole.pt")

    def stop(row: dict[str, Any]) -> None:
        if row["epoch"] == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_small(tmp_path / "stopped.pt", epoch=stop)
    epochs: list[int] = []
    gone_on = train_small(tmp_path / "stopped.pt", epoch=lambda row: epochs.append(row["epoch"]))
    assert epochs == [4, 5, 6, 7, 8]
    for name, tensor in whole.state.chosen.weights.items():
        assert (gone_on.state.chosen.weights[name] == tensor).all()
    with pytest.raises(StopRun, match="other settings"):
        train_small(tmp_path / "stopped.pt", "training.seed=1")


def test_people_who_do_rare_things_count_more_up_to_a_limit() -> None:
    does_NK = np.zeros((1000, 3), bool)
    does_NK[:500, 0] = does_NK[:200, 1] = does_NK[:1, 2] = True
    np.testing.assert_allclose(positive_weights(does_NK, balance=True), [1.0, 2.0, 5.0])
    np.testing.assert_allclose(positive_weights(does_NK, balance=False), [1.0, 1.0, 1.0])


# The whole of it.

SMALL = ("frames.short_side=64", "backbone.weights=random", "backbone.precision=float32", "persons.rate=2")
ACTIONS = ("open", "close", "idle")


def call(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "200", "TERM": "dumb"}).invoke(app, [str(one) for one in arguments])


def train_on(place: Path, *overrides: str, annotations: str = "train.csv") -> Result:
    sets = [part for one in (*SMALL, "training.epochs=5", *overrides) for part in ("--set", one)]
    return call(
        *("train", "persons", "--annotations", place / annotations, "--validation", place / "validation.csv"),
        *("--classes", place / "classes.csv", "--videos", place / "videos", "--out", place / "head.pt"),
        *("--engine", "local", *sets),
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The same recording twice, with two people every half second, who differ; a head trained on the first; a cache."""
    folder = tmp_path_factory.mktemp("head")
    rng = np.random.default_rng(0)
    (folder / "videos").mkdir()
    for name, video, boxes in (("train", "first", BOXES), ("validation", "second", OTHERS)):
        record(folder / "videos" / f"{video}.mp4", frames=75, size=(96, 64))
        rows = [
            f"{video},{time / 2},{','.join(map(str, box))},{action}"
            for time in range(6)
            for box in boxes
            for action in sorted(rng.choice([1, 2, 3], size=rng.integers(1, 3), replace=False))
        ]
        (folder / f"{name}.csv").write_text("\n".join([*rows, f"{video},9,0,0,1,1,1", f"{video},10"]))
    (folder / "classes.csv").write_text("\n".join(f"{number},{name}" for number, name in enumerate(ACTIONS, start=1)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNTRIMMED_CACHE", str(folder / "cache"))
        result = train_on(folder)
        assert result.exit_code == 0, result.output
        assert (
            "12 people on 6 key frames to train on, 12 people on 6 key frames to validate on; 3 classes"
            in result.stdout
        )
        assert "1 of 13 annotated people of second are left out" in result.stderr
        yield folder


def test_training_leaves_a_head_metrics_a_curve_and_what_was_found(place: Path) -> None:
    beside = {path.name for path in (place / "head.training").iterdir()}
    assert beside == {"boxes.parquet", "checkpoint.pt", "curve.png", "metrics.parquet", "validation.csv"}
    assert load_head(place / "head.pt").class_names == ACTIONS


def test_other_labels_of_the_same_people_need_no_features_anew(place: Path) -> None:
    relabelled = (place / "train.csv").read_text().replace(",3\n", ",2\n")
    (place / "relabelled.csv").write_text(relabelled)
    entries = sorted((place / "cache" / "features").iterdir())
    (place / "head.training" / "checkpoint.pt").unlink()
    result = train_on(place, annotations="relabelled.csv")
    assert result.exit_code == 0, result.output
    assert sorted((place / "cache" / "features").iterdir()) == entries and len(entries) == 2
    assert "1 classes are not learned, nobody to train on does them: idle" in result.stderr
    (place / "head.training" / "checkpoint.pt").unlink()
    assert train_on(place).exit_code == 0


def test_detect_says_of_annotated_people_what_training_said(place: Path) -> None:
    """All but the boxes comes from the head's file; scores are compared before anything is smoothed or left out."""
    raw = ("actions.smooth_s=0", "actions.min_score=0", "actions.labels_per_person=null", "rate=2")
    own = (f"actions.weights={place / 'head.pt'}", f"detector.boxes={place / 'validation.csv'}", *raw)
    sets = [part for one in own for part in ("--set", f"persons.{one}")]
    out = place / "results"
    result = call(
        *("detect", place / "videos" / "second.mp4", "--out", out, "--config", "persons", "--engine", "local"),
        *("--set", "backbone.precision=float32", *sets),
    )
    assert result.exit_code == 0, result.output
    query = f"select time_s, x1, label, score from '{out}/persons/*.parquet' where score is not null order by all"
    found = duckdb.connect().sql(query).fetchall()
    told = read_boxes(place / "head.training" / "validation.csv", scores=True)
    assert told.scores_N is not None and len(told) == 36
    columns = zip(told.frame_N, told.boxes_N4[:, 0], told.action_N, told.scores_N, strict=True)
    wanted = sorted(
        (float(told.frames[frame][1]), x1, ACTIONS[action - 1], score) for frame, x1, action, score in columns
    )
    assert [(time, label) for time, _, label, _ in found] == [(time, label) for time, _, label, _ in wanted]
    np.testing.assert_allclose(
        [(x1, score) for _, x1, _, score in found], [(x1, score) for _, x1, _, score in wanted], atol=2e-3
    )


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ("persons.rate=1", "persons.rate: with 1 key frames a second there is none at 0.5 s"),
        ("persons.actions.weights=x.pt", "persons.actions.weights: a training begins with no weights"),
        ("persons.detector.boxes=x.csv", "persons.detector.boxes: people are those of --annotations"),
        ("training.finetune.epochs=1", "training.features and training.finetune are of localizers"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line(place: Path, override: str, text: str) -> None:
    result = train_on(place, override)
    assert result.exit_code == 2
    assert result.stderr.startswith(text) and result.stderr.count("\n") == 1


def test_annotations_that_do_not_fit_are_refused(place: Path) -> None:
    result = train_on(place, annotations="validation.csv")
    assert result.exit_code == 2 and "'second' to train on and to validate on" in result.stderr
    result = call(
        *("train", "persons", "--annotations", place / "train.csv", "--out", place / "x.pt"),
        *("--classes", place / "classes.csv", "--videos", place / "videos" / "second.mp4", "--set", "persons.rate=2"),
    )
    assert result.exit_code == 2 and "a split needs two" in result.stderr
    result = call("train", "anchor_free_i3d", "--annotations", "x", "--out", "x.pt", "--classes", "y", "--videos", "z")
    assert result.exit_code == 2 and result.stderr.startswith("--validation and --classes are of people")
