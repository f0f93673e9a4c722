"""Claims about reading a frozen graph without TensorFlow: its nodes and numbers, and nothing but one line of error."""

import struct
from pathlib import Path

import numpy as np
import pytest
from graph_files import constant, field, four_bytes, node, shape, tensor, varint
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detectors.errors import WeightsError
from detectors.persons.frozen_graph import Node, read_graph

KERNEL = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
GRAPH = (
    constant("kernel", KERNEL)
    + node("pool", "MaxPool", "kernel", "other:1", strides=field(1, field(3, varint(1) + varint(2))))
    + field(4, field(1, 22))  # versions, which are no node
)


def read(tmp_path: Path, content: bytes) -> dict[str, Node]:
    path = tmp_path / "graph.pb"
    path.write_bytes(content)
    return read_graph(path)


def value(tmp_path: Path, attribute: bytes) -> object:
    """What is read of one attribute."""
    return read(tmp_path, node("a", "Op", it=attribute))["a"].attributes.get("it")


def test_nodes_have_their_operation_inputs_and_numbers(tmp_path: Path) -> None:
    graph = read(tmp_path, GRAPH)
    assert list(graph) == ["kernel", "pool"]
    assert (graph["pool"].op, graph["pool"].inputs) == ("MaxPool", ("kernel", "other:1"))
    found = graph["kernel"].attributes["value"]
    assert isinstance(found, np.ndarray) and found.dtype == np.float32
    np.testing.assert_array_equal(found, KERNEL)


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        (field(3, 7), 7),
        (field(3, -7), -7),
        (field(5, 1), True),
        (four_bytes(4, 0.25), 0.25),
        (field(2, b"SAME"), b"SAME"),
        (field(1, field(3, varint(1) + varint(300))), (1, 300)),  # packed
        (field(1, field(3, 1) + field(3, 300)), (1, 300)),  # one by one
        (field(6, 1), None),  # a type
        (field(8, field(1, 7) + field(8, b"text")), None),  # a tensor of texts
        (b"", None),
    ],
)
def test_attribute_is_read_by_its_kind(tmp_path: Path, attribute: bytes, expected: object) -> None:
    assert value(tmp_path, attribute) == expected


FLOATS = struct.pack("<3f", 1, 2, 3)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (field(1, 1) + field(2, shape(3)) + field(5, FLOATS), np.float32([1, 2, 3])),
        (field(1, 1) + field(2, shape(2)) + four_bytes(5, 1) + four_bytes(5, 2), np.float32([1, 2])),
        (field(1, 1) + field(2, b"") + four_bytes(5, 0.5), np.float32(0.5)),
        (field(1, 1) + field(2, shape(2, 2)) + four_bytes(5, 4), np.full((2, 2), 4, np.float32)),
        (field(1, 1) + field(2, shape(0)), np.zeros(0, np.float32)),
        (field(1, 3) + field(2, shape(2)), np.zeros(2, np.int32)),
        (field(1, 3) + field(2, shape(3)) + field(7, varint(1) + varint(-1) + varint(2)), np.int32([1, -1, 2])),
        (field(1, 9) + field(2, b"") + field(10, -(1 << 40)), np.int64(-(1 << 40))),
        (field(1, 10) + field(2, b"") + field(11, 1), np.bool_(True)),
    ],
)
def test_numbers_are_read_however_they_are_written(tmp_path: Path, content: bytes, expected: np.ndarray) -> None:
    found = value(tmp_path, field(8, content))
    assert isinstance(found, np.ndarray) and found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def test_one_number_that_stands_for_a_huge_tensor_takes_no_room(tmp_path: Path) -> None:
    found = value(tmp_path, field(8, field(1, 1) + field(2, shape(1 << 30, 1 << 10)) + four_bytes(5, 1)))
    assert isinstance(found, np.ndarray) and found.shape == (1 << 30, 1 << 10) and found.strides == (0, 0)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no node"),
        (field(4, b""), "no node"),
        (GRAPH[:-5], "ends in the middle"),
        (field(1, field(1, "a") + varint(2 << 3 | 2) + varint(1 << 40)), "ends in the middle"),
        (b"\x80" * 20, "integer without end"),
        (b"\x0b", "unknown kind 3"),
        (field(1, 5), "integer in place of bytes"),
        (field(1, field(2, "Op")), "without name"),
        (field(1, field(1, b"\xff") + field(2, "Op")), "utf-8"),
        (node("a", "Op") * 2, "two nodes are called a"),
        (node("a", "Op", it=field(3, b"12")), "another kind than an integer"),
        (node("a", "Op", it=field(4, b"12")), "buffer size"),
        (node("a", "Op", it=field(8, field(1, 1) + field(2, shape(-1)))), "unknown shape"),
        (node("a", "Op", it=tensor(KERNEL)[:2] + tensor(KERNEL)[2:].replace(shape(3), shape(4))), "reshape"),
        (node("a", "Op", it=field(8, field(1, 3) + field(2, b"") + field(7, 1 << 40))), "int"),
    ],
)
def test_what_is_no_graph_is_refused_in_one_line_that_names_the_file(tmp_path: Path, content: bytes, told: str) -> None:
    with pytest.raises(WeightsError, match=told) as caught:
        read(tmp_path, content)
    assert "\n" not in str(caught.value) and str(tmp_path / "graph.pb") in str(caught.value)


@pytest.mark.parametrize("name", ["missing.pb", "."])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(WeightsError, match="cannot be read"):
        read_graph(tmp_path / name)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.one_of(st.binary(max_size=60), st.tuples(st.integers(0, len(GRAPH) - 1), st.binary(max_size=3))))
def test_damaged_bytes_raise_nothing_else(tmp_path: Path, damage: bytes | tuple[int, bytes]) -> None:
    if isinstance(damage, bytes):
        content = damage
    else:
        at, other = damage
        content = GRAPH[:at] + other + GRAPH[at + 1 :]
    try:
        read(tmp_path, content)
    except WeightsError as error:
        assert "\n" not in str(error)
