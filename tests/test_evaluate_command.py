"""The command `evaluate`: its figures are the official ones, and what it leaves out or cannot do is one line."""

import json
from pathlib import Path
from typing import Any

import pytest
from annotation_samples import put
from labelled import golden_found, golden_truth
from people_samples import Person, commit_people
from test_annotations_results_folder import commit
from typer.testing import CliRunner, Result

from annotations.activitynet import write_activitynet_annotations
from annotations.read import PREDICTION_WRITERS
from annotations.records import Annotations
from detectors.backbones.class_names import ava
from evaluation.ava import EVALUATED_ACTIONS
from run import app

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


@pytest.fixture
def ava_truth(tmp_path: Path) -> Path:
    return put(tmp_path / "ava.csv", "\n".join(AVA["truth"]) + "\n")


@pytest.fixture
def ava_folder(tmp_path: Path) -> Path:
    """The predictions of AVA as tables of a run, each box told of as long as it does something."""
    rows_of: dict[str, list[Person]] = {}
    for number, line in enumerate(AVA["found"]):
        video, time, *box, action, score = line.split(",")
        row = (float(time), number, tuple(map(float, box)), ava()[int(action) - 1], float(score))
        rows_of.setdefault(video, []).append(row)
    for part, (video, rows) in enumerate(rows_of.items()):
        idle: Person = (rows[0][0], -1, (0.0, 0.0, 1.0, 1.0), None, None)
        commit_people(tmp_path / "run", f"p{part}", f"clips/{video}.mp4", [idle, *rows], [])
    return tmp_path / "run"


def assert_official(document: dict[str, Any]) -> None:
    assert document["mAP@0.5IOU"] == pytest.approx(AVA["map_at_50"], abs=1e-9)
    expected = {ava()[int(action) - 1]: ap for action, ap in AVA["ap_by_action"].items()}
    with_truth = {name: ap for name, ap in document["per_class"].items() if ap is not None}
    assert with_truth == pytest.approx(expected, abs=1e-9)


def test_ava_of_a_results_folder_and_of_its_export_equals_the_official_code(
    tmp_path: Path, ava_truth: Path, ava_folder: Path
) -> None:
    assert_official(figures(evaluate(ava_folder, ava_truth, "ava", "--json")))
    csv = tmp_path / "exported.csv"
    assert CliRunner().invoke(app, ["export", str(ava_folder), "--to", "ava", "--out", str(csv)]).exit_code == 0
    assert_official(figures(evaluate(csv, ava_truth, "ava", "--json")))


def test_list_of_the_sixty_classes_gives_the_official_figures(
    tmp_path: Path, ava_truth: Path, ava_folder: Path
) -> None:
    blocks = [f'item {{\n  name: "{ava()[number - 1]}"\n  id: {number}\n}}\n' for number in EVALUATED_ACTIONS]
    sixty = put(tmp_path / "ava_action_list.pbtxt", "".join(blocks))
    document = figures(evaluate(ava_folder, ava_truth, "ava", "--classes", sixty, "--json"))
    assert_official(document)
    assert len(document["per_class"]) == 60


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
    truth = put(tmp_path / "truth.csv", f"v,902,{box},11\nw,902,{box},11\nw,902,{box},98\n")
    frames = (
        ("sub/v.mp4,902", "11,0.9"),
        ("v2,902", "11,0.8"),
        ("sub/v.mp4,902.5", "11,0.8"),
        ("sub/v.mp4,902", "99,0.8"),
    )
    rows = [f"{frame},{box},{action}" for frame, action in frames]
    result = evaluate(put(tmp_path / "found.csv", "\n".join(rows)), truth, "ava", "--json")
    assert figures(result)["per_class"]["sit"] == 0.5
    assert result.stderr.splitlines() == [
        "left out: 1 annotated row with labels that AVA does not know: '98'; --classes FILE names other classes",
        f"left out: 1 prediction on 1 video that {truth} does not list: 'v2'",
        f"left out: 1 prediction on key frames that {truth} does not list, such as 902.500000 s of 'v'",
        "left out: 1 prediction with labels that AVA does not know: '99'; --classes FILE names other classes",
        "missed: 1 annotated video not among the predictions: 'w'",
    ]


# Classes of one's own, and tubes

BOX, ELSEWHERE = (0.1, 0.1, 0.5, 0.5), (0.6, 0.1, 0.9, 0.5)
CLASSES = "id,name\n1,run\n2,hop\n3,rest\n"
TIMES = (0.0, 0.5, 1.0, 1.5)


@pytest.fixture
def own_truth(tmp_path: Path) -> Path:
    """Somebody runs and then hops, two key frames each, at twice a second; another one rests throughout."""
    rows = [f"v,{time},0.1,0.1,0.5,0.5,{1 if time < 1 else 2},4" for time in TIMES]
    rows += [f"v,{time:07.3f},0.6,0.1,0.9,0.5,3,5" for time in TIMES]
    return put(tmp_path / "own.csv", "\n".join([*rows, "v,2", "w,0.0", ""]))


@pytest.fixture
def own_run(tmp_path: Path) -> Path:
    """Finds the runner's boxes but sees hopping only half of the time; takes the resting one for a second one later."""
    persons: list[Person] = [(time, 0, BOX, "run" if time < 1 else None, 0.9 if time < 1 else None) for time in TIMES]
    persons += [(time, 1 if time < 1 else 2, ELSEWHERE, "rest", 0.8) for time in TIMES]
    persons += [(0.25, 0, BOX, "run", 0.9), (1.0, 1, BOX, "zumba", 0.5)]
    tubes = [
        (0, 0.0, 1.0, "run", 0.9),
        (0, 1.0, 1.5, "hop", 0.5),
        (1, 0.0, 1.0, "rest", 0.8),
        (2, 1.0, 2.0, "rest", 0.7),
    ]
    commit_people(
        tmp_path / "run", "p1", "v.mp4", persons, [*tubes, (0, 0.2, 0.3, "run", 0.99), (1, 1, 2, "zumba", 0.5)]
    )
    commit_people(tmp_path / "run", "p2", "w.mp4", [], [])
    return tmp_path / "run"


def test_own_classes_are_all_measured_by_frame_and_by_tube(tmp_path: Path, own_truth: Path, own_run: Path) -> None:
    classes = put(tmp_path / "classes.csv", CLASSES)
    result = evaluate(own_run, own_truth, "ava", "--classes", classes, "--json")
    document = figures(result)
    assert list(document) == ["protocol", "mAP@0.5IOU", "per_class", "video_mAP"]
    assert document["per_class"] == {"run": 1, "hop": 0, "rest": 1}
    video = document["video_mAP"]
    assert video["iou"] == [0.2, 0.5]
    assert video["per_class"] == {"run": [1, 1], "hop": [1, 1], "rest": [1, 1]}
    assert video["mAP"] == [1, 1]
    assert result.stderr.splitlines() == [
        f"left out: 1 prediction on key frames that {own_truth} does not list, such as 0.250000 s of 'v'",
        f"left out: 1 prediction with labels that {classes} does not know: 'zumba'",
        f"left out: 1 tube on no key frame that {own_truth} lists",
    ]
    text = evaluate(own_run, own_truth, "ava", "--classes", classes).stdout
    assert text.startswith(
        "protocol ava, frame-mAP and video-mAP: 2 videos, 6 key frames, 7 predicted rows, 4 predicted tubes\n"
    )
    assert "average precision of frames at IoU 0.5, of tubes at 0.2 and 0.5, %; 3 of the 3" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["hop", "2", "0.0", "1", "100", "100"] in rows and ["mAP", "8", "66.7", "3", "100", "100"] in rows
    assert max(map(len, text.splitlines()[1:])) <= 80


def test_tubes_need_person_ids_in_the_annotations_and_tubes_in_the_folder(
    tmp_path: Path, own_truth: Path, own_run: Path
) -> None:
    classes = put(tmp_path / "classes.csv", CLASSES)
    some = put(tmp_path / "some.csv", own_truth.read_text().replace(",3,5\n", ",3\n"))
    result = evaluate(own_run, some, "ava", "--classes", classes, "--json")
    assert "video_mAP" not in figures(result)
    assert f"no video-mAP: {some} has rows without person_id" in result.stderr
    (own_run / "tubes" / "p1.parquet").unlink()
    (own_run / "tubes" / "p2.parquet").unlink()
    result = evaluate(own_run, own_truth, "ava", "--classes", classes, "--json")
    assert "video_mAP" not in figures(result)
    assert f"no video-mAP: {own_run} holds no tubes/*.parquet" in result.stderr


def test_results_of_other_classes_are_refused_with_the_way_out(own_truth: Path, own_run: Path) -> None:
    result = evaluate(own_run, own_truth, "ava")
    assert (result.exit_code, result.stdout) == (2, "")
    what = "none of its labels is among the actions of AVA: 'run', 'rest', 'zumba'"
    assert (
        result.stderr.splitlines()[-1]
        == f"{own_run}: {what}; give a file with the classes of these results as --classes"
    )


# What cannot be


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--subset", "testing"], "{truth}: no video is in subset 'testing'; there are 'train' (1 videos), 'val'"),
        (["--tiou", "1.5"], "--tiou: tIoU thresholds must be above 0 and at most 1, got [1.5]"),
        (["--plot", "errors.gif"], "--plot: must end in .png, .svg or .pdf, got 'errors.gif'"),
        (["--protocol", "activity"], "--protocol: must be one of activitynet, thumos, ava, got 'activity'"),
        (["--protocol", "ava"], "{truth}: holds no boxes on key frames"),
        (
            ["--classes", "classes.csv"],
            "--classes: is of protocol ava alone; thumos takes the labels of its annotations",
        ),
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
