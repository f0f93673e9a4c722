"""The command `evaluate`: its figures are the official ones, and what it leaves out or cannot do is one line."""

import json
from pathlib import Path
from typing import Any

import pytest
from labelled import golden_found, golden_truth
from test_annotations_results_folder import commit
from typer.testing import CliRunner, Result

from annotations.activitynet import write_activitynet_annotations
from annotations.read import PREDICTION_WRITERS
from annotations.records import Annotations
from run import app
from tests.annotation_samples import put

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "temporal_map_small.json").read_text())
AVA: dict[str, Any] = json.loads((Path(__file__).parent / "ava_small.json").read_text())
TRUTH = {
    "database": {
        "a": {
            "subset": "val",
            "annotations": [{"segment": [0, 10], "label": "run"}, {"segment": [20, 25], "label": "hop"}],
        },
        "b": {"subset": "val", "annotations": [{"segment": [5, 9], "label": "run"}]},
        "c": {"subset": "train", "annotations": [{"segment": [0, 4], "label": "run"}]},
    }
}
FOUND = {"results": {"a": [{"segment": [0, 10], "label": "run", "score": 0.9}], "b": []}}


def evaluate(predictions: Path, annotations: Path, protocol: str, *options: object) -> Result:
    paths = ["--predictions", predictions, "--annotations", annotations, "--protocol", protocol]
    environment = {"COLUMNS": "80", "TERM": "dumb"}
    return CliRunner(env=environment).invoke(app, ["evaluate", *map(str, [*paths, *options])])


def figures(result: Result) -> dict[str, Any]:
    """The one JSON object, valid as others read it: without NaN."""
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count("\n") == 1
    document: dict[str, Any] = json.loads(result.stdout, parse_constant=pytest.fail)
    return document


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    return put(tmp_path / "truth.json", TRUTH)


@pytest.fixture
def found(tmp_path: Path) -> Path:
    return put(tmp_path / "found.json", FOUND)


# Figures


@pytest.mark.parametrize("form", ["activitynet", "thumos", "table"])
@pytest.mark.parametrize("protocol", ["activitynet", "thumos"])
def test_json_equals_the_official_code_from_every_form(tmp_path: Path, protocol: str, form: str) -> None:
    spans, expected = golden_truth(), GOLDEN["expected"][protocol]
    nothing = (None,) * len(spans.videos)
    write_activitynet_annotations(Annotations(spans, nothing, nothing), tmp_path / "truth.json")
    predictions = tmp_path / ("found.json" if form == "activitynet" else "found.txt")
    PREDICTION_WRITERS[form](golden_found(), predictions)
    document = figures(evaluate(predictions, tmp_path / "truth.json", protocol, "--json"))
    assert list(document) == ["protocol", "tiou", "mAP", "average_mAP", "per_class"]
    assert document["protocol"] == protocol
    assert document["tiou"] == pytest.approx(expected["tiou"])
    assert document["mAP"] == pytest.approx(expected["mAP"], abs=1e-9)
    assert document["average_mAP"] == pytest.approx(expected["average_mAP"], abs=1e-9)
    at_half = document["tiou"].index(0.5)
    assert {label: aps[at_half] for label, aps in document["per_class"].items()} == pytest.approx(expected["ap_at_0_5"])


def test_ava_json_equals_the_official_code_by_names_of_classes(tmp_path: Path) -> None:
    truth, found = (put(tmp_path / name, "\n".join(AVA[name]) + "\n") for name in ("truth", "found"))
    result = evaluate(found, truth, "ava", "--json")
    document = figures(result)
    assert list(document) == ["protocol", "mAP@0.5IOU", "per_class"] and document["protocol"] == "ava"
    assert document["mAP@0.5IOU"] == pytest.approx(AVA["map_at_50"], abs=1e-9)
    with_truth = [ap for ap in document["per_class"].values() if ap is not None]
    assert sorted(with_truth) == pytest.approx(sorted(AVA["ap_by_action"].values()), abs=1e-9)
    assert len(document["per_class"]) == 60 and document["per_class"]["swim"] is None
    assert document["per_class"]["sit"] == pytest.approx(AVA["ap_by_action"]["11"])
    assert "left out: 2 predictions on key frames that" in result.stderr


def test_thresholds_of_ones_own_take_the_place_of_the_protocols(found: Path, truth: Path) -> None:
    document = figures(evaluate(found, truth, "thumos", "--tiou", 0.25, "--tiou", 0.9, "--json"))
    assert document["tiou"] == [0.25, 0.9]
    assert document["per_class"] == {"hop": [0, 0], "run": [pytest.approx(1 / 3)] * 2}
    text = evaluate(found, truth, "thumos", "--tiou", 0.25).stdout
    assert text.startswith(
        "protocol thumos at tIoU 0.25, all subsets: 3 videos, 4 instances of 2 classes, 1 prediction\n"
    )


def test_tables_name_protocol_and_subset_and_fit_the_terminal(found: Path, truth: Path) -> None:
    result = evaluate(found, truth, "activitynet", "--subset", "VAL")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "protocol activitynet, subset VAL: 2 videos, 3 instances of 2 classes, 1 prediction"
    assert max(map(len, lines[1:])) <= 80
    rows = [line.split() for line in lines]
    assert ["run", *["50.0"] * 11] in rows and ["hop", *["0.0"] * 11] in rows and ["mAP", *["25.0"] * 11] in rows
    assert ["any", "label", *["33.3"] * 5, "33.0"] in rows
    assert ["true", "positive", *["100"] * 10] in rows
    assert ["all", "3", "33.3", "25.0"] in rows


def test_plot_is_a_picture_whatever_the_names(tmp_path: Path, found: Path) -> None:
    odd = json.loads(json.dumps(TRUTH).replace('"val"', '"$x^$_{"'))
    truth = put(tmp_path / "odd.json", odd)
    result = evaluate(found, truth, "thumos", "--subset", "$x^$_{", "--json", "--plot", tmp_path / "new" / "errors.png")
    assert figures(result)["average_mAP"] == pytest.approx(0.25)
    assert (tmp_path / "new" / "errors.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("name", "content"), [("none.json", {"results": {}}), ("none.txt", "")])
def test_prediction_of_nothing_is_measured_and_all_is_missed(
    tmp_path: Path, truth: Path, name: str, content: object
) -> None:
    nothing = put(tmp_path / name, content)
    result = evaluate(nothing, truth, "thumos", "--json", "--plot", tmp_path / "errors.svg")
    assert figures(result)["mAP"] == [0] * 5
    assert result.stderr == "missed: 3 annotated videos not among the predictions: 'a', 'b', 'c'\n"
    assert evaluate(nothing, truth, "thumos").exit_code == 0


# Which videos and labels count


def test_of_the_annotations_only_the_subset_counts_and_what_is_left_out_is_named(tmp_path: Path, truth: Path) -> None:
    one = {"segment": [0, 10], "label": "run", "score": 0.5}
    other = one | {"label": "crawl"}
    document = {"results": {"sub/v_a.mp4": [one, other], "c.mp4": [one, one], "z": [one], "quiet": []}}
    result = evaluate(put(tmp_path / "p.json", document), truth, "thumos", "--subset", "val", "--json")
    assert figures(result)["per_class"]["run"] == [0.5] * 5
    assert result.stderr.splitlines() == [
        "left out: 3 predictions on 2 videos that subset val does not list: 'c', 'z'",
        f"left out: 1 prediction with labels that {truth} does not know: 'crawl'",
        "missed: 1 annotated video not among the predictions: 'b'",
    ]


def test_results_folder_is_measured_and_videos_that_failed_are_named(tmp_path: Path, truth: Path) -> None:
    commit(tmp_path / "out", "p1", "sub/a.mp4", [(0.0, 10.0, "run", 0.9)])
    commit(tmp_path / "out", "p2", "b.mp4", [], "failed")
    commit(tmp_path / "out", "p3", "elsewhere.mp4", [], "failed")
    result = evaluate(tmp_path / "out", truth, "thumos", "--json")
    assert figures(result)["per_class"]["run"] == [pytest.approx(1 / 3)] * 5
    assert result.stderr.splitlines() == [
        "missed: 1 annotated video not among the predictions: 'c'",
        f"missed: what was not seen of 1 failed video in {tmp_path / 'out'}: 'b'",
    ]


def test_boxes_elsewhere_and_of_unknown_actions_are_named(tmp_path: Path) -> None:
    box = "0.1,0.1,0.5,0.5"
    truth = put(tmp_path / "truth.csv", f"v,902,{box},11\nw,902,{box},11\n")
    frames = (
        ("sub/v.mp4,902", "11,0.9"),
        ("v2,902", "11,0.8"),
        ("sub/v.mp4,903", "11,0.8"),
        ("sub/v.mp4,902", "99,0.8"),
    )
    rows = [f"{frame},{box},{action}" for frame, action in frames]
    result = evaluate(put(tmp_path / "found.csv", "\n".join(rows)), truth, "ava", "--json")
    assert figures(result)["per_class"]["sit"] == 0.5
    assert result.stderr.splitlines() == [
        f"left out: 1 prediction on 1 video that {truth} does not list: 'v2'",
        f"left out: 1 prediction with labels that {truth} does not know: '99'",
        f"left out: 1 prediction on key frames that {truth} does not list",
        "missed: 1 annotated video not among the predictions: 'w'",
    ]


# What cannot be


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--subset", "testing"], "{truth}: no video is in subset 'testing'; there are 'train' (1 videos), 'val'"),
        (["--tiou", "1.5"], "--tiou: tIoU thresholds must be above 0 and at most 1, got [1.5]"),
        (["--plot", "errors.gif"], "--plot: must end in .png, .svg or .pdf, got 'errors.gif'"),
        (["--protocol", "activity"], "--protocol: must be one of activitynet, thumos, ava, got 'activity'"),
        (["--protocol", "ava"], "{truth}: holds no boxes on key frames"),
        (["--protocol", "ava", "--subset", "val"], "--subset, --tiou and --plot are of spans"),
        (["--predictions", "no [such].json"], "no [such].json: cannot be read: No such file"),
        (["--annotations", "none.json"], "none.json: cannot be read: No such file"),
        (["--predictions", "{truth}"], "{truth}: holds annotations (ground truth), not predictions"),
        (["--annotations", "{found}"], "{found}: holds predictions, not annotations"),
        (["--predictions", "."], ".: is no results folder"),
    ],
)
def test_what_cannot_be_is_one_plain_line_and_exit_code_2(
    found: Path, truth: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], message: str
) -> None:
    monkeypatch.chdir(truth.parent)
    result = evaluate(found, truth, "thumos", *(option.format(truth=truth, found=found) for option in options))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(message.format(truth=truth, found=found)) and result.stderr.count("\n") == 1


def test_results_folder_without_people_has_no_boxes_to_measure(tmp_path: Path) -> None:
    commit(tmp_path / "out", "p1", "v.mp4", [])
    result = evaluate(tmp_path / "out", put(tmp_path / "t.csv", "v,902,0.1,0.1,0.5,0.5,11\n"), "ava")
    assert result.exit_code == 2
    assert result.stderr == f"{tmp_path / 'out'}: holds no persons/*.parquet, whose boxes AVA's form is made of\n"
