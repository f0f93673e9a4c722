"""Lists of classes, as CSV and as AVA's .pbtxt: what is in them, and a plain line for each slip."""

from pathlib import Path

import pytest
from annotation_samples import put
from hypothesis import given, settings
from hypothesis import strategies as st

from annotations.action_classes import of_classes, read_action_classes
from annotations.ava import read_boxes
from annotations.errors import AnnotationError

PBTXT = """# two of AVA's
label {
  name: "bend/bow (at the waist)"
  label_id: 1
  label_type: PERSON_MOVEMENT
}
label { name: 'say "no"', label_id: 80; }
"""


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("id,name\n1,run\n7,pick up\n", {1: "run", 7: "pick up"}),
        ("1,run\n\n7, pick up \n", {1: "run", 7: "pick up"}),
        ("7,run\n1,name\n", {7: "run", 1: "name"}),
        ('Label_ID,Label_Name,label_type\n3,"a, b",PERSON_MOVEMENT\n', {3: "a, b"}),
        ("name;id\nrun;007\n", {7: "run"}),
        ("1\trun\r\n2\thop\r\n", {1: "run", 2: "hop"}),
        (PBTXT, {1: "bend/bow (at the waist)", 80: 'say "no"'}),
        ('item {\n  name: "run"\n  id: 5\n}\nitem: { id: 6 name: "it\\"s" display_name: "x" }', {5: "run", 6: 'it"s'}),
        ("\ufeffid,name\n1,Übung\n", {1: "Übung"}),
    ],
)
def test_forms_that_people_have(tmp_path: Path, text: str, names: dict[int, str]) -> None:
    path = put(tmp_path / "classes", text)
    classes = read_action_classes(path)
    assert classes.names == names and list(classes.evaluated) == list(names)
    assert classes.ids == {name: number for number, name in names.items()}
    assert (classes.source, classes.is_given) == (str(path), True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,name\nx,run\n", "row 2: id must be a whole number, got 'x'"),
        ("number,title\n", "row 1: id must be a whole number, got 'number'"),
        ("0,run\n", "row 1: id must be 1 or more, as AVA's rows have it, got 0"),
        ("1,run\n1,hop\n", "row 2: id 1 is of 'run' already; a class has one row"),
        ("1,run\n2,run \n", "row 2: name 'run' is there already; a class has one row"),
        ("1,\n", "row 1: label is empty"),
        ("1,talk to (e.g., self)\n", "row 1: must be id,name, got 3 cells; quote a name that has commas"),
        ("id,name,type\n1,run\n", "row 2: must be 3 cells, as the header is, got 2 cells; quote"),
        ('1,"run\n', "row 1: is no CSV: unexpected end of data; mend its quotes"),
        ("id,name\n", "holds no classes; give rows of id,name or AVA's label"),
        ("   \n", "is empty but for blanks"),
        ('label { name: "run" }', "row 1: a class must have a name and an id (or label_id)"),
        (
            'label {\n name: "run"\n id: 1\n',
            'row 3: a class must have fields such as name: "run", and end with }, got \'the ',
        ),
        (
            'label {\n name "run"\n id: 1 }\n',
            "row 2: a class must have fields such as name: \"run\", and end with }, got 'name'",
        ),
        ('label {\n name: "run\n id: 1 }\n', "row 2: a class must have fields"),
        ('label { id: 1 id: 2 name: "run" }', "row 1: a class must have each field once, got 'id'"),
        ('label { id: 1 name: "run" }\nrun { }', "row 2: a class must begin with label { or item {, got 'run'"),
        ('label { id: one name: "run" }', "row 1: id must be a whole number, got 'one'"),
    ],
)
def test_slips_are_one_line_each_with_their_row(tmp_path: Path, text: str, message: str) -> None:
    path = put(tmp_path / "classes", text)
    with pytest.raises(AnnotationError) as caught:
        read_action_classes(path)
    assert str(caught.value).startswith(f"{path}: {message}") and "\n" not in str(caught.value)


def test_every_slip_is_told(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError) as caught:
        read_action_classes(put(tmp_path / "c.csv", "1,run\n1,hop\nx,jump\n2,a,b\n"))
    assert [line.split(": ")[1] for line in str(caught.value).split("\n")] == ["row 2", "row 3", "row 4"]


def test_file_named_pbtxt_is_not_taken_for_a_table(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=r"row 1: a class must begin with label \{ or item \{, got 'entry'"):
        read_action_classes(put(tmp_path / "list.pbtxt.txt", 'entry { id: 1 name: "run" }'))


@settings(deadline=None)
@given(st.text(alphabet="label{}: \"name'id1,;\n\\#\t", max_size=60))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = put(tmp_path_factory.getbasetemp() / "classes", text)
    try:
        assert read_action_classes(path).names
    except AnnotationError as error:
        assert all(line.startswith(f"{path}: ") for line in str(error).split("\n"))


def test_rows_of_other_numbers_are_counted_and_their_frames_stay(tmp_path: Path) -> None:
    classes = read_action_classes(put(tmp_path / "c.csv", "2,run\n"))
    boxes = read_boxes(put(tmp_path / "t.csv", "v,1,0,0,1,1,2,5\nv,2,0,0,1,1,3,5\nv,2,0,0,1,1,3,6\n"), scores=False)
    known, other = of_classes(boxes, classes)
    assert (known.action_N.tolist(), known.frames, other) == ([2], boxes.frames, {"3": 2})
    assert known.person_N is not None and known.person_N.tolist() == [5]
