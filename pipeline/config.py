"""A config read from YAML, with overrides; what is wrong with it is told a line a field."""

import difflib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from pipeline import DEFAULT_CONFIG
from pipeline.settings import Config

CONFIG_FOLDER = Path(__file__).resolve().parent.parent / "configs"
_SWITCHES = ("on", "off")
_TRUTH = "tag:yaml.org,2002:bool"


class ConfigError(ValueError):
    """A configuration that cannot run; each line names a field and what is allowed there."""


class _Loader(yaml.SafeLoader):
    """Of words only true and false are truth values, as in YAML 1.2: `off` is a word."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as the base class has it
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TRUTH]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(_TRUTH, re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def load_config(name: str = DEFAULT_CONFIG, overrides: Sequence[str] = ()) -> Config:
    """Read a YAML file, or a name from configs/, and apply overrides of the form `a.b=value`.

    Raises ConfigError with one line per wrong field.
    """
    data = _read(_find(name))
    for override in overrides:
        _apply(data, override)
    try:
        return Config.model_validate_json(json.dumps(data, default=str))  # YAML knows dates, JSON does not
    except ValidationError as error:
        raise ConfigError("\n".join(explanations(error))) from None


def ready_made() -> list[str]:
    """The names of the configs in configs/, those of its folders with the folder."""
    paths = CONFIG_FOLDER.rglob("*.yaml")
    return sorted(path.relative_to(CONFIG_FOLDER).with_suffix("").as_posix() for path in paths)


def _find(name: str) -> Path:
    for path in (Path(name), CONFIG_FOLDER / f"{name}.yaml"):
        if path.is_file():
            return path
    raise ConfigError(f"no config {name!r}: give a YAML file or one of: {', '.join(ready_made())}")


def _read(path: Path) -> dict[str, Any]:
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path} must hold a mapping of sections, got {type(data).__name__}")
    return data


def _apply(data: dict[str, Any], override: str) -> None:
    path, equals, text = override.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise ConfigError(f"--set {override}: write it as section.field=value")
    try:
        value = yaml.load(text, _Loader)
    except yaml.YAMLError:
        raise ConfigError(f"--set {override}: the value is not YAML") from None
    for key in keys[:-1]:
        inner = data.setdefault(key, {})
        if inner in _SWITCHES:  # a whole section switched on or off; what else is said of it is added
            inner = data[key] = {"switch": inner}
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {override}: {key} is a value, not a section")
        data = inner
    if value in _SWITCHES and isinstance(section := data.get(keys[-1]), dict):
        section["switch"] = value
    else:
        data[keys[-1]] = value


def explanations(error: ValidationError) -> list[str]:
    """One line a field, also where it may be of several kinds and fits none."""
    by_field: dict[str, list[Any]] = {}
    for problem in error.errors():
        by_field.setdefault(_field(problem), []).append(problem)
    return [_explain(field, problems) for field, problems in by_field.items()]


def _explain(field: str, problems: Sequence[Any]) -> str:
    problem = problems[0]
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    if problem["type"] == "extra_forbidden":
        allowed = _fields_at(problem["loc"][:-1])
        near = difflib.get_close_matches(str(problem["loc"][-1]), allowed, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        return f"{field}: unknown{hint}; allowed here: {', '.join(allowed)}"
    wanted = ", or ".join(one["msg"][0].lower() + one["msg"][1:] for one in problems)
    return f"{field}: {wanted}, got {problem['input']!r}"


def _field(problem: Any) -> str:
    """Path of the field, without what pydantic appends to name one of several kinds."""
    path = [str(part) for part in problem["loc"]]
    for depth in range(1, len(path)):
        if path[depth - 1] in _fields_at(path[: depth - 1]) and not _fields_at(path[:depth]):
            return ".".join(path[:depth] + [part for part in path[depth:] if part.isdecimal()])
    return ".".join(path)


def _fields_at(path: Sequence[str | int]) -> list[str]:
    model: type[BaseModel] = Config
    for part in path:
        inner = model.model_fields[str(part)].annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return list(model.model_fields)
