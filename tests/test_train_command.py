"""The commands `train`, `detect` and `evaluate` one after the other on real recordings: what a user does."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pytest
from runs import make_archive
from typer.testing import CliRunner, Result

from run import app

pytestmark = pytest.mark.network

SETTINGS = (
    "frames.short_side=64",
    "backbone.precision=float32",
    "localizer.anchor_free.network.channels=32",
    "training.epochs=20",
    "training.batch=1",
    "training.warmup_epochs=1",
    "training.learning_rate=0.003",
)
# What was cut from which sample (tests/runs.py): a man on a box, a street with cyclists.
ACTIONS = {
    "both": ("training", 16.5, [("people", 0.0, 7.0), ("street", 7.0, 16.5)]),
    "people": ("training", 9.5, [("people", 0.0, 6.5), ("people", 6.5, 9.5)]),
    "street": ("validation", 8.0, [("street", 0.0, 8.0)]),
}


def call(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "200", "TERM": "dumb"}).invoke(app, [str(one) for one in arguments])


def sets(*overrides: str) -> list[str]:
    return [part for one in (*SETTINGS, *overrides) for part in ("--set", one)]


def annotation_file(folder: Path) -> Path:
    database = {
        name: {
            "subset": subset,
            "duration": duration,
            "annotations": [{"label": label, "segment": [start, stop]} for label, start, stop in spans],
        }
        for name, (subset, duration, spans) in ACTIONS.items()
    }
    path = folder / "annotations.json"
    path.write_text(json.dumps({"database": database}))
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Recordings, annotations, a cache of its own that knows the weights, and a trained detector."""
    from detectors import weights

    folder = tmp_path_factory.mktemp("training")
    make_archive(folder / "videos")
    (folder / "videos" / "text.mp4").rename(folder / "videos" / "broken.mp4")
    annotation_file(folder)
    i3d = weights.fetch("i3d_kinetics400")
    (folder / "cache" / "i3d_kinetics400").mkdir(parents=True)
    shutil.copy(i3d, folder / "cache" / "i3d_kinetics400")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNTRIMMED_CACHE", str(folder / "cache"))
        result = train(folder)
        assert result.exit_code == 0, result.output
        yield folder


def train(folder: Path, *overrides: str, out: str = "model.pt") -> Result:
    return call(
        *("train", "anchor_free_i3d", "--annotations", folder / "annotations.json", "--videos", folder / "videos"),
        *("--out", folder / out, "--engine", "local", *sets(*overrides)),
    )


def test_training_leaves_a_detector_metrics_a_curve_and_what_was_found(place: Path) -> None:
    beside = place / "model.training"
    assert {path.name for path in beside.iterdir()} == {
        *("checkpoint.pt", "metrics.parquet", "curve.png", "validation.json")
    }
    rows = duckdb.connect().sql(f"select epoch, loss_class, average_map from '{beside}/metrics.parquet'").fetchall()
    assert [row[0] for row in rows] == list(range(1, 21))
    assert rows[-1][1] < rows[0][1] / 2


def test_detect_on_raw_video_finds_what_was_found_on_cached_features(place: Path) -> None:
    """With the default config: all that the detector fixes comes from its file. Once computed anew, once cached."""
    truth = json.loads((place / "model.training" / "validation.json").read_text())["results"]["street"]
    assert truth
    for cache in ("off", "read"):
        out = place / f"found_{cache}"
        result = call(
            *("detect", place / "videos" / "street.mp4", "--out", out, "--engine", "local"),
            *("--set", f"localizer.weights={place / 'model.pt'}", "--set", f"cache.features={cache}"),
            *("--set", "backbone.precision=float32"),
        )
        assert result.exit_code == 0, result.output
        query = f"select label, start_s, stop_s, score from '{out}/segments/*.parquet' order by score desc"
        found = duckdb.connect().sql(query).fetchall()
        assert [row[0] for row in found] == [one["label"] for one in truth]
        wanted = [(*one["segment"], one["score"]) for one in truth]
        np.testing.assert_allclose([row[1:] for row in found], wanted, atol=2e-3)


def test_found_tables_can_be_evaluated(place: Path) -> None:
    call("detect", place / "videos", "--out", place / "all", "--engine", "local", *detector(place))
    result = call(
        *("evaluate", "--predictions", place / "all", "--annotations", place / "annotations.json"),
        *("--protocol", "thumos", "--subset", "training", "--json"),
    )
    document = json.loads(result.stdout)
    assert document["protocol"] == "thumos" and set(document["per_class"]) == {"people", "street"}
    assert document["average_mAP"] > 0.5  # of what it was trained on


def detector(place: Path) -> list[str]:
    return ["--set", f"localizer.weights={place / 'model.pt'}", "--set", "backbone.precision=float32"]


def test_a_finished_training_is_not_done_again(place: Path) -> None:
    before = (place / "model.pt").stat().st_mtime_ns
    result = train(place)
    assert result.exit_code == 0 and "epoch 1/20" not in result.stdout
    assert (place / "model.pt").stat().st_mtime_ns >= before


def test_another_training_in_the_same_place_is_refused_in_one_line(place: Path) -> None:
    result = train(place, "training.seed=1")
    assert result.exit_code == 1
    assert "other settings" in result.stderr and result.stderr.strip().count("\n") == 0


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ("frames.short_side=128", "frames.short_side: the detector was trained with 64"),
        ("localizer.name=temporal_rcnn", "localizer.name: the file of localizer.weights holds anchor_free"),
        ("backbone.weights=random", "backbone.weights: the detector was trained on features of weights with sha256"),
    ],
)
def test_what_contradicts_the_detector_is_refused_by_field(place: Path, override: str, text: str) -> None:
    result = call(*("detect", place / "videos", "--out", place / "none", *detector(place)), *("--set", override))
    assert result.exit_code == 2
    assert result.stderr.startswith(text) and result.stderr.strip().count("\n") == 0


@pytest.mark.parametrize(
    ("config", "options", "text"),
    [
        ("kinetics400", [], "localizer.name: "),
        ("anchor_free_i3d", ["--set", "localizer.weights=x.pt"], "localizer.weights: "),
        ("anchor_free_i3d", [], "--videos is missing"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line(
    tmp_path: Path, config: str, options: list[str], text: str
) -> None:
    result = call("train", config, "--annotations", annotation_file(tmp_path), "--out", tmp_path / "m.pt", *options)
    assert result.exit_code == 2
    assert result.stderr.startswith(text) and result.stderr.count("\n") == 1


def test_detector_that_needs_training_is_named_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"x")
    result = call("plan", tmp_path, "--config", "anchor_free_i3d")
    assert result.exit_code == 2
    assert result.stderr.startswith("localizer.weights: anchor_free must be trained first")
