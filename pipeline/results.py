"""A results folder: which videos are committed, where parts, spool and temp files lie, who may write."""

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import StopRun
from pipeline.parts import committed_parts, held_parts, is_compact
from pipeline.tables import TABLES, publish, storing


@dataclass(frozen=True, slots=True)
class Committed:
    """What a reader of `videos` knows of one video, and the key of the work it came from."""

    result_key: str
    row: Mapping[str, Any]
    place: str  # the part that its rows lie in: its own, or a compact one


def part_name(uri: str, key: str) -> str:
    """Stem of a video's files: readable, and one to one with its address."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", key).strip(".-")[-60:]
    digest = hashlib.sha256(uri.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    return f"{readable}-{digest}"


def result_key(config_hash: str, fingerprint: str) -> str:
    """Key of all that determines a video's rows."""
    return hashlib.sha256(f"{config_hash} {fingerprint}".encode()).hexdigest()[:16]


class ResultsFolder:
    """The folder given as --out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.temp_folder = self.folder / "_temp"

    def part(self, table: str, part: str) -> Path:
        return self.folder / table / f"{part}.parquet"

    def remove(self, table: str, part: str) -> None:
        """What there is of a video in a table. Raises StopRun."""
        with storing(self.folder / table):
            self.part(table, part).unlink(missing_ok=True)

    def spool_folder(self, part: str) -> Path:
        return self.folder / "_spool" / part

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the folder alone while a run writes; leftovers of a killed one are swept away first. Raises StopRun."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / ".lock").open("w")
        except OSError as error:
            raise StopRun(f"cannot write to {self.folder}: {error.strerror}; choose another --out") from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StopRun(f"another run is writing to {self.folder}; wait for it or choose another --out") from None
            self._sweep()
            yield
            shutil.rmtree(self.temp_folder, ignore_errors=True)

    def _sweep(self) -> None:
        """What a killed run, or a killed `compact`, has left."""
        shutil.rmtree(self.temp_folder, ignore_errors=True)
        commits = {path.stem for path in committed_parts(self.folder)}
        for table in reversed(TABLES):  # `videos` last, as it says what the others are worth
            for path in (self.folder / table).glob("*.parquet"):
                if path.stem not in commits:
                    path.unlink()

    def committed(self) -> dict[str, Committed]:
        """Committed videos by part name; a part that cannot be read counts as not there."""
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(_read_rows, committed_parts(self.folder)))
        return {name: one for part in found for name, one in part.items()}

    def describe(self, about: Mapping[str, Any]) -> None:
        """Write run.json. Raises StopRun."""
        temp = self.folder / f".run.json.{os.getpid()}"
        with storing(self.folder):
            temp.write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
            publish(temp, self.folder / "run.json")

    def clear_spool(self, part: str) -> None:
        shutil.rmtree(self.spool_folder(part), ignore_errors=True)
        spool = self.folder / "_spool"
        if spool.is_dir() and not any(spool.iterdir()):
            spool.rmdir()


def _read_rows(path: Path) -> dict[str, Committed]:
    try:
        table = pq.read_table(path)
        keys = held_parts(path) if is_compact(path.stem) else {path.stem: table.schema.metadata[b"result_key"].decode()}
        rows = zip(keys.items(), table.to_pylist(), strict=True)
        return {name: Committed(key, row, path.stem) for (name, key), row in rows}
    except (OSError, ValueError, TypeError, KeyError, pa.ArrowException):
        return {}
