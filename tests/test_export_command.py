"""The command `export`: every form from every form and back, and in one line what a form cannot hold."""

from pathlib import Path

import pytest
from test_annotations_results_folder import commit, commit_people
from typer.testing import CliRunner, Result

from annotations.read import read_annotations, read_predictions
from run import app
from tests.annotation_samples import RESULTS, UNTRIMMED, everything, plain, put

BOXES = "v,0902,0.1,0.2,0.3,0.4,11,0.5,7\nv,0903\n"


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


def test_people_of_a_results_folder_become_rows_of_ava(tmp_path: Path) -> None:
    commit(tmp_path / "out", "p1", "a.mp4", [])
    commit_people(tmp_path / "out", "p1", "a.mp4", [(902.0, "sit", 0.5), (902.0, "bend/bow (at the waist)", 0.25)])
    assert export(tmp_path / "out", "ava", tmp_path / "a.csv").exit_code == 0
    rows = "a.mp4,902.000000,0.1,0.2,0.3,0.4,11,0.5\na.mp4,902.000000,0.1,0.2,0.3,0.4,1,0.25\n"
    assert (tmp_path / "a.csv").read_text() == rows


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
