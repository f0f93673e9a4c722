"""GraphDef files written by hand, field by field, for tests of what reads them."""

import struct
from collections.abc import Iterator

import numpy as np

DTYPES = {"float32": 1, "float64": 2, "int32": 3, "int64": 9, "bool": 10}


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    digits = [value >> shift & 0x7F for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([*(digit | 0x80 for digit in digits[:-1]), digits[-1]])


def field(number: int, value: int | bytes | str) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def four_bytes(number: int, value: float) -> bytes:
    return varint(number << 3 | 5) + struct.pack("<f", value)


def shape(*sizes: int) -> bytes:
    return b"".join(field(2, field(1, size)) for size in sizes)


def tensor(array: np.ndarray) -> bytes:
    """An attribute that holds the numbers as bytes."""
    content = field(1, DTYPES[array.dtype.name]) + field(2, shape(*array.shape)) + field(4, array.tobytes())
    return field(8, content)


def node(name: str, op: str, *inputs: str, **attributes: bytes) -> bytes:
    named = [field(5, field(1, key) + field(2, value)) for key, value in attributes.items()]
    return field(1, field(1, name) + field(2, op) + b"".join(field(3, one) for one in inputs) + b"".join(named))


def constant(name: str, array: np.ndarray) -> bytes:
    return node(name, "Const", value=tensor(array))


def split(graph: bytes) -> Iterator[tuple[str, bytes]]:
    """The nodes of a file, each with its name; what is no node is left out."""
    at = 0
    while at < len(graph):
        (key, start), begin = _number(graph, at), at
        length, start = _number(graph, start)
        at = start + length
        if key >> 3 == 1:
            size, first = _number(graph, start + 1)
            yield graph[first : first + size].decode(), graph[begin:at]


def _number(graph: bytes, at: int) -> tuple[int, int]:
    value = place = 0
    while True:
        value |= (graph[at] & 0x7F) << place
        at, place = at + 1, place + 7
        if graph[at - 1] < 0x80:
            return value, at
