"""The weights and sample videos by name: fetched once, kept in a cache, checked at every use."""

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path

from detectors.errors import WeightsError
from detectors.web_file import Progress, PublishedFile, sha256_of
from detectors.weights_table import WEIGHTS

__all__ = ["RANDOM", "WEIGHTS", "WeightsError", "cache_folder", "cached", "digest", "fetch", "listing", "resolve"]

RANDOM = "random"  # the name that random weights are asked for by
SHA256_DIGITS = 64
ABANDONED_AFTER_S = 24 * 3600


def fetch(name: str, *, progress: Progress | None = None) -> Path:
    """The cached file of that name, downloaded first if it is absent or damaged. Raises WeightsError."""
    present = cached(name)
    if present is not None:
        return present
    folder, target = cache_folder(), _target(name)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        # A room of its own, then a rename: two processes may fetch at once, and one that dies leaves no half file.
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as room:
            WEIGHTS[name].take(Path(room), progress).replace(target)
    except OSError as error:
        raise WeightsError(f"{name} cannot be kept in {folder}: {error.strerror or error}") from error
    return target


def cached(name: str) -> Path | None:
    """The file of that name if the cache holds it whole."""
    entry = _entry(name)
    target = _target(name)
    try:
        whole = entry.is_whole(target)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise WeightsError(f"{target} cannot be read: {error.strerror or error}") from error
    return target if whole else None


def cache_folder() -> Path:
    """UNTRIMMED_CACHE, or `untrimmed` in the user's cache folder."""
    chosen = os.environ.get("UNTRIMMED_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    try:
        import platformdirs
    except ImportError as error:
        raise WeightsError("no cache folder is known: set UNTRIMMED_CACHE, or install platformdirs") from error
    return platformdirs.user_cache_path("untrimmed")


def listing() -> list[tuple[str, PublishedFile, Path | None]]:
    """Every name with its entry and, if it is cached, its path."""
    return [(name, entry, cached(name)) for name, entry in WEIGHTS.items()]


def resolve(name_or_path: str) -> Path | None:
    """A name of the table is fetched; anything else must be a file, but for random weights, which are in none."""
    if name_or_path == RANDOM:
        return None
    if name_or_path not in WEIGHTS and Path(name_or_path).is_file():
        return Path(name_or_path)
    return fetch(name_or_path)


def digest(name_or_path: str) -> str:
    """sha256 of the weights, without fetching any: part of what determines a result; of random ones their name.

    Where only a fetch would tell it, the origin stands for it, with the digits that are known.
    """
    if name_or_path == RANDOM:
        return RANDOM
    if name_or_path not in WEIGHTS and Path(name_or_path).is_file():
        return sha256_of(Path(name_or_path))
    entry = _entry(name_or_path)
    if entry.sha256 is not None and len(entry.sha256) == SHA256_DIGITS:
        return entry.sha256
    present = cached(name_or_path)
    return sha256_of(present) if present is not None else " ".join(filter(None, (entry.origin, entry.sha256)))


def _entry(name: str) -> PublishedFile:
    if name not in WEIGHTS:
        raise WeightsError(f"{name!r} is neither a file nor one of the weights {', '.join(WEIGHTS)}")
    return WEIGHTS[name]


def _target(name: str) -> Path:
    return cache_folder() / name / WEIGHTS[name].file_name


def _sweep(folder: Path) -> None:
    """Remove what fetches that were killed long ago left behind."""
    for room in folder.glob(".fetch-*"):
        with contextlib.suppress(OSError):
            if time.time() - room.stat().st_mtime > ABANDONED_AFTER_S:
                shutil.rmtree(room)
