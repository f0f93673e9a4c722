"""Protocol buffers as text, as far as lists of classes use them: blocks like `label { name: "run" label_id: 1 }`.

AVA's lists say `label` and `label_id`, those for its challenge and other detection tools `item` and `id`.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from annotations.errors import BadValue, Problems
from annotations.values import shown

_BLOCKS = ("label", "item")
_OPENING = re.compile(rf"\s*(?:#[^\n]*\n\s*)*(?:{'|'.join(_BLOCKS)})\s*:?\s*\{{")
_TOKEN = re.compile(
    r"""(?P<blank>\s+|\#[^\n]*|[,;])
    |(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<word>[\w.+-]+)
    |(?P<sign>[:{}])""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(.)")

Token = tuple[int, str, str]  # row, kind, what is written


def is_pbtxt(path: Path, text: str) -> bool:
    return ".pbtxt" in path.suffixes or _OPENING.match(text) is not None


def read_blocks(text: str, problems: Problems) -> Iterator[tuple[int, dict[str, str]]]:
    """The row and fields of each block; ends at the first slip, which becomes a problem."""
    tokens = list(_tokens(text))
    place = 0
    try:
        while place < len(tokens):
            row = tokens[place][0]
            fields, place = _block(tokens, place)
            yield row, fields
    except BadValue as error:
        problems.include(f"{problems.path}: {error}")


def _block(tokens: list[Token], place: int) -> tuple[dict[str, str], int]:
    """The fields of the block that begins here, and where it ends. Raises BadValue."""
    opening = place + 1 + (_sign(tokens, place + 1) == ":")
    if tokens[place][2] not in _BLOCKS or _sign(tokens, opening) != "{":
        raise _slip(tokens, place, f"a class must begin with {' or '.join(f'{name} {{' for name in _BLOCKS)}")
    fields: dict[str, str] = {}
    place = opening + 1
    while _sign(tokens, place) != "}":
        kinds = [kind for _, kind, _ in tokens[place : place + 3]]
        if kinds not in (["word", "sign", "word"], ["word", "sign", "text"]) or _sign(tokens, place + 1) != ":":
            raise _slip(tokens, place, 'a class must have fields such as name: "run", and end with }')
        name, value = tokens[place][2], tokens[place + 2][2]
        if name in fields:
            raise _slip(tokens, place, "a class must have each field once")
        fields[name] = _ESCAPE.sub(r"\1", value[1:-1]) if kinds[2] == "text" else value
        place += 3
    return fields, place + 1


def _tokens(text: str) -> Iterator[Token]:
    row, place = 1, 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        written = found.group() if found else text[place]
        kind = found.lastgroup or "" if found else "unknown"
        if kind != "blank":
            yield row, kind, written
        row += written.count("\n")
        place += len(written)


def _sign(tokens: list[Token], place: int) -> str:
    return tokens[place][2] if place < len(tokens) and tokens[place][1] == "sign" else ""


def _slip(tokens: list[Token], place: int, what: str) -> BadValue:
    row, _, written = tokens[place] if place < len(tokens) else (tokens[-1][0], "", "the end of the file")
    return BadValue(f"row {row}: {what}, got {shown(written)}")
