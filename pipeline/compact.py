"""Many small parts joined into few large ones, and back, losing nothing: not a row, not what a resumed run goes by.

Safe to be killed: a compact part counts from the moment its part of `videos` is there, and then its videos' own parts
do not; what is left of either is swept away by whoever writes to the folder next.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import StopRun
from pipeline.parts import committed_parts, held_parts, holding, is_compact
from pipeline.results import ResultsFolder
from pipeline.tables import TABLES, publish, storing, write_part

MOST_BYTES = 256 << 20  # of the parts that become one, all tables together
MOST_VIDEOS = 10_000
_PIECE_BYTES = 32 << 20  # in memory at once, and a row group

Progress = Callable[[int, int], None]  # videos done, videos in all


@dataclass(frozen=True, slots=True)
class _Small:
    """A part that may be joined with others like it."""

    name: str
    result_keys: dict[str, str]  # of the videos in it, by the names of their own parts
    tables: tuple[str, ...]
    metadata: tuple[tuple[str, str], ...]  # what its videos have in common with those of other parts
    size: int  # bytes, all tables together


def compact(results: ResultsFolder, progress: Progress | None = None) -> tuple[int, int]:
    """Join what is small; gives how many parts of `videos` there were and are.

    Raises StopRun where a part cannot be read, the disk refuses, or a run is writing to the folder.
    """
    with results.writing():
        before = len(committed_parts(results.folder))
        groups = [group for group in _groups(_small_parts(results)) if len(group) > 1]
        done, total = 0, sum(len(group) for group in groups)
        for group in groups:
            _join(results, group)
            done += len(group)
            if progress is not None:
                progress(done, total)
        return before, len(committed_parts(results.folder))


def split(results: ResultsFolder, parts: Collection[str]) -> None:
    """Give videos that are to be done anew, named by their parts, and their neighbours parts of their own again.

    For whoever holds the folder. Raises StopRun.
    """
    wanted = set(parts)
    for commit in committed_parts(results.folder):
        if is_compact(commit.stem) and wanted & held_parts(commit).keys():
            _split(results, commit)


def _small_parts(results: ResultsFolder) -> list[_Small]:
    small = []
    for commit in committed_parts(results.folder):
        with _reading(commit):
            metadata = {key.decode(): text.decode() for key, text in (pq.read_schema(commit).metadata or {}).items()}
            keys = held_parts(commit) if is_compact(commit.stem) else {commit.stem: metadata["result_key"]}
        paths = {table: path for table in TABLES if (path := results.part(table, commit.stem)).exists()}
        size = sum(path.stat().st_size for path in paths.values())
        if size < MOST_BYTES / 2 and len(keys) < MOST_VIDEOS / 2:
            small.append(_Small(commit.stem, keys, tuple(paths), _shared(metadata), size))
    return small


def _shared(metadata: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    own = {"result_key", *holding({})}
    return tuple(sorted((key, text) for key, text in metadata.items() if key not in own))


def _groups(small: Sequence[_Small]) -> Iterator[list[_Small]]:
    """Parts of one kind side by side, as many as become a large one."""
    ordered = sorted(small, key=lambda one: (one.tables, one.metadata, next(iter(one.result_keys))))
    group: list[_Small] = []
    size = videos = 0
    for one in ordered:
        like = group and (group[0].tables, group[0].metadata) == (one.tables, one.metadata)
        if group and not (like and size + one.size <= MOST_BYTES and videos + len(one.result_keys) <= MOST_VIDEOS):
            yield group
            group, size, videos = [], 0, 0
        group.append(one)
        size, videos = size + one.size, videos + len(one.result_keys)
    if group:
        yield group


def _join(results: ResultsFolder, group: Sequence[_Small]) -> None:
    keys = {name: key for part in group for name, key in part.result_keys.items()}
    name = f"compact-{hashlib.sha256(repr(sorted(keys.items())).encode()).hexdigest()[:16]}"
    metadata = dict(group[0].metadata) | holding(keys)
    room = results.temp_folder / "compact"
    tables = [*(table for table in group[0].tables if table != "videos"), "videos"]  # which makes the others count
    for table in tables:
        pieces = _pieces(results.part(table, part.name) for part in group)
        write_part(pieces, TABLES[table], room / table / f"{name}.parquet", results.temp_folder, metadata)
    for table in tables:
        with storing(results.folder / table):
            publish(room / table / f"{name}.parquet", results.part(table, name))
    for table in reversed(TABLES):
        for part in group:
            results.remove(table, part.name)


def _pieces(paths: Iterator[Path]) -> Iterator[pa.Table]:
    """Their rows, in pieces of a size that is worth a row group."""
    held: list[pa.Table] = []
    size = 0
    for path in paths:
        for rows in _row_groups(path):
            held.append(rows)
            size += rows.nbytes
            if size >= _PIECE_BYTES:
                yield pa.concat_tables(held).combine_chunks()
                held, size = [], 0
    if held:
        yield pa.concat_tables(held).combine_chunks()


def _row_groups(path: Path) -> Iterator[pa.Table]:
    with _reading(path), pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            yield file.read_row_group(number).replace_schema_metadata(None)


def _split(results: ResultsFolder, commit: Path) -> None:
    keys = held_parts(commit)
    metadata = dict(_shared({key.decode(): text.decode() for key, text in pq.read_schema(commit).metadata.items()}))
    rows = pa.concat_tables(_row_groups(commit))
    owners = dict(zip(rows.column("video").to_pylist(), keys.items(), strict=True))
    tables = [table for table in TABLES if results.part(table, commit.stem).exists()]
    for table in tables:
        by_video = _by_video(_row_groups(results.part(table, commit.stem)), list(owners))
        for pieces, (name, key) in zip(by_video, owners.values(), strict=True):
            target, about = results.part(table, name), metadata | {"result_key": key}
            write_part(pieces, TABLES[table], target, results.temp_folder, about)
    for table in tables:  # `videos` first: from then on the parts of their own count
        results.remove(table, commit.stem)


def _by_video(row_groups: Iterator[pa.Table], videos: Sequence[str]) -> Iterator[list[pa.Table]]:
    """The rows of each video; `videos` in the order of the rows."""
    runs = (run for rows in row_groups for run in _runs(rows))
    run = next(runs, None)
    for video in videos:
        pieces = []
        while run is not None and run.column("video")[0].as_py() == video:
            pieces.append(run)
            run = next(runs, None)
        yield pieces


def _runs(rows: pa.Table) -> Iterator[pa.Table]:
    """Rows of one video after another."""
    ends = pc.run_end_encode(rows.column("video").combine_chunks()).run_ends.to_pylist()
    for start, end in pairwise([0, *ends]):
        yield rows.slice(start, end - start)


@contextmanager
def _reading(part: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as error:
        message = " ".join(str(error).split())
        raise StopRun(f"{part}: cannot be read: {message}; remove it and run that video again") from None
