"""Which videos are still to do, given what a results folder holds."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from pipeline.opening import fingerprint
from pipeline.records import Source
from pipeline.results import Committed, ResultsFolder, part_name, result_key

_FILES_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Selection:
    """Sources to work on, and the rows in `videos` of those that are done."""

    open: list[Source]
    done: list[Mapping[str, Any]]


def select(sources: Sequence[Source], results: ResultsFolder, config_hash: str, *, retry_failed: bool) -> Selection:
    """Leave out what is committed already; a changed file, config or weight makes a video new.

    A name that an earlier run gave to another file stays that file's; the newcomer goes by its address.
    """
    committed = results.committed()
    owners = {before.row["video"]: before.row["uri"] for before in committed.values()}
    named = [
        source if owners.get(source.key, source.uri) == source.uri else replace(source, key=source.uri)
        for source in sources
    ]
    parts = [part_name(source.uri, source.key) for source in named]

    def is_done(source: Source, before: Committed | None) -> bool:
        if before is None or (retry_failed and before.row["status"] != "ok"):
            return False
        return before.result_key == result_key(config_hash, content_of(source))

    with ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
        done = list(pool.map(is_done, named, map(committed.get, parts)))
    selection = Selection([], [])
    for source, part, one_is_done in zip(named, parts, done, strict=True):
        if one_is_done:
            results.clear_spool(part)  # a kill may have fallen between the commit and this
            selection.done.append(committed[part].row)
        else:
            selection.open.append(source)
    return selection


def content_of(source: Source) -> str:
    """Fingerprint, also of what cannot be read."""
    try:
        return fingerprint(source.uri, source.size)
    except (OSError, ValueError):
        return "unreadable"
