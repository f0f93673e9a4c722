"""The settings of a run as a page of Markdown, from the models themselves. Knows no value that a config gives."""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from inspect import getdoc
from typing import Any, get_args

from pydantic import BaseModel

from pipeline.config import ConfigError
from pipeline.settings import Config

MOST_NAMED = 3

_INTRODUCTION = """\
# Configuration

Every setting of a run: made from the models in `pipeline/settings.py` and beside it by `uv run run.py settings`.
`uv run run.py settings SECTION` prints a part, such as `localizer.nms` or `frames.rate`.

A config is a YAML file that holds what is to differ from the defaults, section by section; `configs/` holds ready ones.
`--config NAME` takes one of these or a path, `--set section.field=value` changes one setting, in the same notation.
Unknown names and impossible values are refused before any work, with what is allowed there.
"""


@dataclass(frozen=True, slots=True)
class Section:
    """A model of settings, and where in a config it stands."""

    path: str
    model: type[BaseModel]

    def path_of(self, field: str) -> str:
        return f"{self.path}.{field}" if self.path else field


def settings_reference(name: str | None = None) -> str:
    """All of it; or the section of that dotted path with all below it, or one setting. Raises ConfigError."""
    sections = list(sections_below(Section("", Config)))[1:]
    if name is None:
        parts = [_INTRODUCTION, _contents(sections), *map(_page, sections)]
        return "\n".join(parts)
    chosen = [one for one in sections if one.path == name or one.path.startswith(f"{name}.")]
    if chosen:
        return "\n".join(map(_page, chosen))
    for section in sections:
        if name in map(section.path_of, section.model.model_fields):
            return _page(section, only=name)
    raise ConfigError(f"{name}: no such section or setting; {_near(name, sections)}")


def sections_below(section: Section) -> Iterator[Section]:
    """The section itself, then those inside it, in the order of their fields."""
    yield section
    for name, field in section.model.model_fields.items():
        inner = _model_in(field.annotation)
        if inner is not None:
            yield from sections_below(Section(section.path_of(name), inner))


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that a field holds, also where it may be left out."""
    kinds = (annotation, *get_args(annotation))
    return next((one for one in kinds if isinstance(one, type) and issubclass(one, BaseModel)), None)


def _contents(sections: Sequence[Section]) -> str:
    rows = [f"| [{one.path}](#{one.path.replace('.', '')}) | {_cell(_about(one))} |" for one in sections]
    return "\n".join(["| section | what it is about |", "|---|---|", *rows, ""])


def _about(section: Section) -> str:
    return " ".join((getdoc(section.model) or "").split())


def _page(section: Section, only: str | None = None) -> str:
    level = "#" * (2 + section.path.count("."))
    lines = [f"{level} {section.path}", "", _text(_about(section)), ""]
    rows = [row for path, row in _rows(section) if only in (None, path)]
    if rows:
        lines += ["| setting | default | takes | what it is |", "|---|---|---|---|", *rows, ""]
    return "\n".join(lines)


def _rows(section: Section) -> Iterator[tuple[str, str]]:
    """Dotted path and row of every field that is a value, or may be none."""
    schema = section.model.model_json_schema()["properties"]
    for name, field in section.model.model_fields.items():
        if _model_in(field.annotation) is field.annotation:
            continue
        path, default = section.path_of(name), "must be given" if field.is_required() else _code(field.default)
        yield path, f"| `{path}` | {default} | {_takes(schema[name])} | {_cell(field.description or '')} |"


def _takes(schema: Mapping[str, Any]) -> str:
    """In words what JSON schema says."""
    if "anyOf" in schema:
        return ", or ".join(map(_takes, schema["anyOf"]))
    if "$ref" in schema:
        return "the section below"
    if "const" in schema:
        return _code(schema["const"])
    if "enum" in schema:
        return ", ".join(map(_code, schema["enum"]))
    if schema["type"] == "array":
        least = f", at least {schema['minItems']}" if "minItems" in schema else ""
        return f"list{least}; each {_takes(schema['items'])}"
    words = {"string": "text", "boolean": "`true`, `false`", "null": "`null`"}
    return words.get(schema["type"]) or " ".join([schema["type"], ", ".join(_bounds(schema))]).strip()


def _bounds(schema: Mapping[str, Any]) -> Iterator[str]:
    least, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    if above is not None and (least is None or above >= least):
        yield f"> {_plain(above)}"
    elif least is not None:
        yield f"≥ {_plain(least)}"
    most, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    if below is not None and (most is None or below <= most):
        yield f"< {_plain(below)}"
    elif most is not None:
        yield f"≤ {_plain(most)}"
    if "multipleOf" in schema:
        yield f"a multiple of {_plain(schema['multipleOf'])}"


def _code(value: Any) -> str:
    return f"`{_plain(value)}`"


def _plain(value: Any) -> str:
    """As YAML has it: 0.00001, since 1e-05 would be text there."""
    if isinstance(value, float):
        return f"{Decimal(repr(value)).normalize():f}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_plain, value))}]"
    return value if isinstance(value, str) else json.dumps(value)


def _text(text: str) -> str:
    return text.replace("<", "\\<")  # else a page would take it for HTML


def _cell(text: str) -> str:
    return _text(text).replace("|", "\\|")


def _near(name: str, sections: Sequence[Section]) -> str:
    """What may be meant: paths like it, or paths whose last part is."""
    paths = {one.path: None for one in sections}
    paths |= {one.path_of(field): None for one in sections for field in one.model.model_fields}
    near = difflib.get_close_matches(name, paths, n=MOST_NAMED, cutoff=0.75)
    lasts = difflib.get_close_matches(name.rpartition(".")[2], {path.rpartition(".")[2] for path in paths}, n=1)
    near += [path for path in paths if path.rpartition(".")[2] in lasts and path not in near]
    if near:
        return f"did you mean {', '.join(near[:MOST_NAMED])}?"
    return f"the sections are {', '.join(path for path in paths if path in Config.model_fields)}"
