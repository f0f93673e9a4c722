"""A frozen graph of TensorFlow read without TensorFlow: its nodes, with the numbers they hold.

The file is a GraphDef (tensorflow/core/framework: graph, node_def, attr_value, tensor and tensor_shape .proto) in the
wire format of protocol buffers: a message is a row of fields, each a number, a kind, and a value of that kind.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detectors.errors import WeightsError

Field = int | memoryview  # an integer, or bytes: four, eight, or as many as are told
Value = int | float | bool | bytes | tuple[int, ...] | np.ndarray

INTEGER, EIGHT_BYTES, BYTES, FOUR_BYTES = 0, 1, 2, 5
SIZES = {EIGHT_BYTES: 8, FOUR_BYTES: 4}
INTEGER_BITS, INTEGER_BYTES = 64, 10  # seven bits to a byte
DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8", 10: "|b1"}  # of DataType, what weights and settings are made of
FLOATS, DOUBLES, WHOLE = 5, 6, (7, 10, 11)  # fields of a TensorProto that list its numbers one by one


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One operation; attributes that no network here needs (types, unknown shapes, texts) are left out."""

    op: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, Value]


def read_graph(path: Path) -> dict[str, Node]:
    """The nodes of a GraphDef by name. Raises WeightsError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}") from None
    try:
        nodes = _nodes(memoryview(content))
    except (ValueError, OverflowError) as error:
        raise WeightsError(f"{path} is not a frozen graph, or is damaged: {error}") from None
    if not nodes:
        raise WeightsError(f"{path} is not a frozen graph: it holds no node")
    return nodes


def _nodes(graph: memoryview) -> dict[str, Node]:
    nodes: dict[str, Node] = {}
    for number, value in _fields(graph):
        if number == 1:
            name, node = _node(_bytes(value))
            if name in nodes:
                raise ValueError(f"two nodes are called {name}")
            nodes[name] = node
    return nodes


def _node(message: memoryview) -> tuple[str, Node]:
    name, op, inputs, attributes = "", "", [], {}
    for number, value in _fields(message):
        if number == 1:
            name = _text(value)
        elif number == 2:
            op = _text(value)
        elif number == 3:
            inputs.append(_text(value))
        elif number == 5:
            entry = dict(_fields(_bytes(value)))
            attribute = _attribute(_bytes(entry.get(2, memoryview(b""))))
            if attribute is not None:
                attributes[_text(entry.get(1, memoryview(b"")))] = attribute
    if not name or not op:
        raise ValueError("a node without name or operation")
    return name, Node(op, tuple(inputs), attributes)


def _attribute(message: memoryview) -> Value | None:
    for number, value in _fields(message):
        if number == 1:
            return tuple(one for field, item in _fields(_bytes(value)) if field == 3 for one in _integers(item))
        if number == 2:
            return bytes(_bytes(value))
        if number == 3:
            return _integer(value)
        if number == 4:
            return float(_numbers(value, "<f4")[0])
        if number == 5:
            return bool(_integer(value))
        if number == 8:
            return _tensor(_bytes(value))
    return None


def _tensor(message: memoryview) -> np.ndarray | None:
    """None if it is of another type than numbers."""
    dtype, content = None, None
    shape: tuple[int, ...] = ()
    listed: list[float] = []
    for number, value in _fields(message):
        if number == 1:
            dtype = DTYPES.get(_integer(value))
        elif number == 2:
            shape = _shape(_bytes(value))
        elif number == 4:
            content = _bytes(value)
        elif number in (FLOATS, DOUBLES):
            listed += _numbers(value, "<f4" if number == FLOATS else "<f8").tolist()
        elif number in WHOLE:
            listed += _integers(value)
    if dtype is None:
        return None
    if content is not None and len(content):
        return np.frombuffer(content, dtype).reshape(shape)
    return _filled(np.array(listed, dtype), shape)


def _filled(listed: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A list of numbers as a tensor; a single one, or none for zero, stands for all of it."""
    if listed.size > 1:
        return listed.reshape(shape)
    return np.broadcast_to(listed[0] if listed.size else listed.dtype.type(0), shape)


def _shape(message: memoryview) -> tuple[int, ...]:
    sizes = [dict(_fields(_bytes(value))).get(1, 0) for number, value in _fields(message) if number == 2]
    shape = tuple(_integer(size) for size in sizes)
    if any(size < 0 for size in shape):
        raise ValueError("a tensor of unknown shape")
    return shape


def _fields(message: memoryview) -> Iterator[tuple[int, Field]]:
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == INTEGER:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind not in (BYTES, *SIZES):
            raise ValueError(f"a field of unknown kind {kind}")
        size, at = _varint(message, at) if kind == BYTES else (SIZES[kind], at)
        if size > len(message) - at:
            raise ValueError("it ends in the middle of a field")
        yield number, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """An unsigned integer that begins there, and where it ends."""
    value = 0
    for place, byte in enumerate(message[at : at + INTEGER_BYTES]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    raise ValueError("an integer without end")


def _integers(value: Field) -> list[int]:
    """One integer, or several packed into bytes."""
    if isinstance(value, int):
        return [_integer(value)]
    found, at = [], 0
    while at < len(value):
        one, at = _varint(value, at)
        found.append(_integer(one))
    return found


def _integer(value: Field) -> int:
    """Negative ones are written as their complement in 64 bits."""
    if not isinstance(value, int) or value >> INTEGER_BITS:
        raise ValueError("a field of another kind than an integer")
    return value - (1 << INTEGER_BITS) if value >> (INTEGER_BITS - 1) else value


def _bytes(value: Field) -> memoryview:
    if isinstance(value, int):
        raise ValueError("an integer in place of bytes")
    return value


def _numbers(value: Field, dtype: str) -> np.ndarray:
    numbers = np.frombuffer(_bytes(value), dtype)
    if not numbers.size:
        raise ValueError("a number without bytes")
    return numbers


def _text(value: Field) -> str:
    return str(_bytes(value), "utf-8")
