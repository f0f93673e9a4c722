"""The command `export`: every form from every form and back, and in one line what a form cannot hold."""

from pathlib import Path

import pytest
from annotation_samples import RESULTS, UNTRIMMED, everything, plain, put
from people_samples import Person, commit_people
from test_annotations_results_folder import commit
from typer.testing import CliRunner, Result

from annotations.read import read_annotations, read_predictions
from run import app

BOXES = "v,0902,0.1,0.2,0.3,0.4,11,0.5,7\nv,0903\n"
BOX = (0.1, 0.2, 0.3, 0.4)
PEOPLE: list[Person] = [
    (902.0, 7, BOX, "sit", 0.5),
    (902.0, 7, BOX, "bend/bow (at the waist)", 0.25),
    (902.5, 7, BOX, None, None),
    (903.5, 8, BOX, "abseiling", 0.75),
]


def export(path: Path, form: str, out: Path, *options: str) -> Result:
    arguments = ["export", path, "--to", form, "--out", out, *options]
    return CliRunner(env={"COLUMNS": "80", "TERM": "dumb"}).invoke(app, [str(one) for one in arguments])


def test_predictions_go_through_every_form_and_back(tmp_path: Path) -> None:
    first = path = put(tmp_path / "first.json", RESULTS)
    for form, name in (("table", "p.csv"), ("table", "p.parquet"), ("activitynet", "p.json"), ("thumos", "p.txt")):
        result = export(path, form, tmp_path / name)
        assert (result.exit_code, result.stdout) == (0, f"{tmp_path / name}: 2 predictions in 2 videos\n")
        path = tmp_path / name
    assert result.stderr == "this form cannot hold 1 video where nothing was found: 'b'\n"
    assert export(path, "activitynet", tmp_path / "last.json").exit_code == 0
    assert plain(read_predictions(tmp_path / "last.json")) == plain(read_predictions(first))


def test_annotations_go_through_every_form_and_back(tmp_path: Path) -> None:
    first = path = put(tmp_path / "first.json", UNTRIMMED)
    for form, name in (("table", "a.csv"), ("table", "a.parquet"), ("activitynet", "a.json")):
        result = export(path, form, tmp_path / name, "--annotations")
        assert (result.exit_code, result.stdout) == (0, f"{tmp_path / name}: 4 instances in 3 videos\n")
        assert everything(read_annotations(tmp_path / name)) == everything(read_annotations(first))
        path = tmp_path / name
    result = export(path, "thumos", tmp_path / "folder", "--annotations")
    assert result.stderr == "this form cannot hold: durations, videos without instances\n"
    result = export(path, "thumos", tmp_path / "a.txt", "--annotations")
    assert result.stderr == "this form cannot hold: durations, subsets, videos without instances\n"
    spans = sorted(plain(read_annotations(first).spans))
    assert sorted(plain(read_annotations(tmp_path / "folder").spans)) == spans
    assert sorted(plain(read_annotations(tmp_path / "a.txt").spans)) == spans


def test_results_folder_is_exported_and_what_did_not_come_through_is_named(tmp_path: Path) -> None:
    commit(tmp_path / "out", "p1", "a.mp4", [(0.5, 2.0, "run", 0.25)])
    commit(tmp_path / "out", "p2", "b.mp4", [], "failed")
    result = export(tmp_path / "out", "activitynet", tmp_path / "p.json")
    assert (result.exit_code, result.stderr) == (0, f"failed or partial in {tmp_path / 'out'}: 1 video: 'b.mp4'\n")
    assert everything(read_predictions(tmp_path / "p.json")) == everything(read_predictions(tmp_path / "out"))


@pytest.mark.parametrize(
    ("content", "options"), [(BOXES, []), ("v,0902,0.1,0.2,0.3,0.4,11,7\nv,0903\n", ["--annotations"])]
)
def test_boxes_of_ava_stay_as_they_are(tmp_path: Path, content: str, options: list[str]) -> None:
    result = export(put(tmp_path / "a.csv", content), "ava", tmp_path / "b.csv", *options)
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path / 'b.csv'}: 1 row on 2 key frames\n")
    assert (tmp_path / "b.csv").read_text() == content


def test_people_of_a_results_folder_become_rows_of_ava_and_other_labels_are_left_out(tmp_path: Path) -> None:
    commit_people(tmp_path / "out", "p1", "a.mp4", PEOPLE)
    commit(tmp_path / "out", "p2", "b.mp4", [], "failed")
    result = export(tmp_path / "out", "ava", tmp_path / "a.csv")
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path / 'a.csv'}: 2 rows on 1 key frame\n")
    assert result.stderr.splitlines() == [
        "left out: 1 prediction with labels that AVA does not know: 'abseiling'; --classes FILE names other classes",
        f"failed or partial in {tmp_path / 'out'}: 1 video: 'b.mp4'",
    ]
    rows = "a.mp4,0902,0.1,0.2,0.3,0.4,11,0.5\na.mp4,0902,0.1,0.2,0.3,0.4,1,0.25\n"
    assert (tmp_path / "a.csv").read_text() == rows
    assert export(tmp_path / "out", "ava", tmp_path / "ids.csv", "--person-ids").exit_code == 0
    assert (tmp_path / "ids.csv").read_text() == rows.replace("\n", ",7\n")


def test_people_of_ones_own_classes_have_the_numbers_of_their_file(tmp_path: Path) -> None:
    commit_people(tmp_path / "out", "p1", "a.mp4", PEOPLE)
    classes = put(tmp_path / "classes.csv", "id,name\n4,abseiling\n3,sit\n")
    result = export(tmp_path / "out", "ava", tmp_path / "a.csv", "--classes", str(classes))
    assert result.stderr == (
        f"left out: 1 prediction with labels that {classes} does not know: 'bend/bow (at the waist)'\n"
    )
    rows = "a.mp4,0902,0.1,0.2,0.3,0.4,3,0.5\na.mp4,903.500000,0.1,0.2,0.3,0.4,4,0.75\n"
    assert (tmp_path / "a.csv").read_text() == rows
    boxes = put(tmp_path / "b.csv", "v,1,0.1,0.2,0.3,0.4,3,0.5\nv,1,0.1,0.2,0.3,0.4,9,0.5\n")
    copied = export(boxes, "ava", tmp_path / "c.csv", "--classes", str(classes))
    assert copied.stderr == f"copied all the same: 1 row with labels that {classes} does not know: '9'\n"
    assert (tmp_path / "c.csv").read_text() == boxes.read_text()


def test_people_of_other_classes_are_refused_with_the_way_out_and_nothing_is_written(tmp_path: Path) -> None:
    commit_people(tmp_path / "out", "p1", "a.mp4", PEOPLE[3:])
    result = export(tmp_path / "out", "ava", tmp_path / "a.csv")
    assert (result.exit_code, result.stdout) == (2, "")
    what = "none of its labels is among the actions of AVA: 'abseiling'"
    assert result.stderr == f"{tmp_path / 'out'}: {what}; give a file with the classes of these results as --classes\n"
    assert not (tmp_path / "a.csv").exists()


@pytest.mark.parametrize(
    ("name", "form", "out", "options", "message"),
    [
        ("p.json", "thumo", "x", [], "--to: must be one of activitynet, thumos, table, ava, got 'thumo'"),
        ("p.json", "table", "x.json", [], "--out: table is not kept in a .json: give a name that ends in .csv or .tsv"),
        ("p.json", "thumos", "x.csv", [], "--out: thumos is not kept in a .csv: give a name that ends in .txt"),
        ("p.json", "table", "x.csv", ["--annotations"], "p.json: holds predictions, not annotations"),
        ("a.json", "table", "x.csv", [], "a.json: holds annotations (ground truth), not predictions"),
        ("p.json", "ava", "x.csv", [], "p.json: holds no boxes on key frames; AVA's rows are"),
        (
            "b.csv",
            "table",
            "x.csv",
            [],
            "b.csv: row 1: columns wanted: video, start_s, end_s (or stop_s), label, ",
        ),
        (
            "p.json",
            "table",
            "x.csv",
            ["--classes", "c"],
            "--classes and --person-ids are of --to ava; table takes neither",
        ),
        ("out", "ava", "x.csv", ["--classes", "none"], "none: cannot be read: No such file or directory"),
        ("none", "table", "x.csv", [], "none: cannot be read: No such file or directory"),
        ("out", "ava", "x.csv", [], "out: holds no persons/*.parquet, whose boxes AVA's form is made of"),
    ],
)
def test_what_cannot_be_is_one_plain_line_and_exit_code_2_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, form: str, out: str, options: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for file, content in (("p.json", RESULTS), ("a.json", UNTRIMMED), ("b.csv", BOXES)):
        put(tmp_path / file, content)
    commit(tmp_path / "out", "p1", "a.mp4", [])
    result = export(Path(name), form, Path(out), *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(message) and result.stderr.count("\n") == 1
    assert not (tmp_path / out).exists()
