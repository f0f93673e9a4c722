"""List the videos of a run: files, folders, patterns, lists and URIs become sources with unique keys, sorted."""

# Paths stay strings here: cheap over 100,000 files, and safe for names that are no UTF-8.
# ruff: noqa: PTH100, PTH112, PTH118, PTH119

import csv
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from pyarrow import fs

from pipeline.errors import InputError
from pipeline.opening import filesystem, local_path, portable
from pipeline.records import Source
from pipeline.video_lists import LIST_SUFFIXES, read_list
from pipeline.walk import EMPTY, NOT_FOUND, Found, Walk, is_video_name, look

_WILD = re.compile(r"[*?[]")
_REQUESTS_AT_ONCE = 16


def list_sources(
    inputs: Sequence[str], *, include: Sequence[str] = (), exclude: Sequence[str] = (), limit: int | None = None
) -> list[Source]:
    """Every input's sources, each real file once, sorted by key. include and exclude are fnmatch patterns on the key.

    What looks like a video but cannot be one is listed with its error. An input that matches nothing raises InputError.
    """
    sources = _with_keys(_once(found for argument in inputs for found in _expand(argument)))
    wanted = [source for source in sources if _is_wanted(source.key, include, exclude)]
    if sources and not wanted:
        raise InputError(f"include and exclude leave none of {len(sources)} videos, the first being {sources[0].key}")
    return wanted[:limit]


def _expand(argument: str) -> list[Found]:
    path = local_path(argument)
    if path is None:
        found = _from_store(argument)
    elif argument and os.path.lexists(path):
        found = _from_disk(path)
    elif _WILD.search(argument):
        found = _from_pattern(path)
    else:
        raise InputError(f"{portable(argument)}: no such file or folder")
    if not found:
        raise InputError(f"{portable(argument)}: no videos in it")
    return found


def _from_disk(path: str) -> list[Found]:
    if os.path.isdir(path):
        return list(Walk(path))
    if Path(path).suffix.lower() in LIST_SUFFIXES:
        return _from_list(Path(path))
    return [look(path, os.path.basename(path))]


def _from_pattern(pattern: str) -> list[Found]:
    """Files that a pattern matches; where it names no suffix itself, those with a video's."""
    fixed, wild = _split_pattern(pattern)
    if not os.path.isdir(fixed):
        return []
    names_suffix = not _WILD.search(Path(wild[-1]).suffix or "*")

    def takes(key: str) -> bool:
        return (names_suffix or is_video_name(key)) and _matches(key.split("/"), wild)

    return list(Walk(fixed, takes=takes, max_depth=None if "**" in wild else len(wild)))


def _split_pattern(pattern: str) -> tuple[str, list[str]]:
    """The folder before the first wildcard, and the parts from there on."""
    parts = pattern.split("/")
    first = next(index for index, part in enumerate(parts) if _WILD.search(part))
    return "/".join(parts[:first]) or "/", parts[first:]


def _matches(parts: list[str], pattern: list[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[start:], pattern[1:]) for start in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _from_list(path: Path) -> list[Found]:
    """What a list names, relative to its folder; an entry that does not exist is a source with an error."""
    try:
        entries = read_list(path)
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as a list of videos: {_one_line(error)}") from error
    with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as pool:
        found = pool.map(lambda entry: _from_entry(entry, path.parent), entries)
        return [one for several in found for one in several]


def _from_entry(entry: str, folder: Path) -> list[Found]:
    path = local_path(entry) if "://" in entry else str(folder / entry)
    if path is None:
        try:
            return _from_store(entry)
        except InputError as error:
            return [Found(entry, entry, entry, error=(_cause(error), str(error)))]
    path = os.path.abspath(path)
    if os.path.isdir(path):
        return list(Walk(path))
    below = os.path.join(os.path.abspath(folder), "")
    return [look(path, path.removeprefix(below) if path.startswith(below) else os.path.basename(path))]


def _from_store(uri: str) -> list[Found]:
    """A file, or the videos of a folder, in whatever store the URI names."""
    try:
        store, path = filesystem(uri)
        info = store.get_file_info(path)
        is_folder = info.type == fs.FileType.Directory
        below = store.get_file_info(fs.FileSelector(path, recursive=True)) if is_folder else []
    except (OSError, ValueError) as error:
        raise InputError(f"{uri}: {_one_line(error)}") from error
    if info.type == fs.FileType.NotFound:
        raise InputError(f"{uri}: {NOT_FOUND[1]}")
    if not is_folder:
        return [_stored(info.base_name, uri, info.size)]
    keys = {info.path[len(path) :].strip("/"): info for info in below if info.is_file}
    return [_stored(key, _below(uri, key), info.size) for key, info in keys.items() if _is_shown_video(key)]


def _cause(error: InputError) -> str:
    return type(error.__cause__).__name__ if error.__cause__ else NOT_FOUND[0]


def _stored(key: str, uri: str, size: int) -> Found:
    return Found(key, uri, uri, size, None if size else EMPTY)


def _below(uri: str, key: str) -> str:
    """The URI of something in a folder, with the folder's own query, where stores keep their settings."""
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{quote(key)}"))


def _is_shown_video(key: str) -> bool:
    return is_video_name(key) and not any(part.startswith(".") for part in key.split("/"))


def _once(found: Iterable[Found]) -> Iterator[Found]:
    """Each real file once: under its own name rather than a link's, then under the first it was met by."""
    by_real: dict[str, Found] = {}
    for one in sorted(found, key=lambda one: one.uri != one.real):
        by_real.setdefault(one.real, one)
    yield from by_real.values()


def _with_keys(found: Iterable[Found]) -> list[Source]:
    """Sources with keys that any table can hold; where two would share one, both take their URI for it."""
    sources = [Source(_printable(one.key), portable(one.uri), one.size, one.error) for one in found]
    shared = {key for key, count in Counter(source.key for source in sources).items() if count > 1}
    unique = (Source(s.uri, s.uri, s.size, s.error) if s.key in shared else s for s in sources)
    return sorted(unique, key=lambda source: source.key)


def _printable(key: str) -> str:
    return os.fsencode(key).decode("utf-8", "backslashreplace")


def _is_wanted(key: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    included = not include or any(fnmatchcase(key, pattern) for pattern in include)
    return included and not any(fnmatchcase(key, pattern) for pattern in exclude)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
