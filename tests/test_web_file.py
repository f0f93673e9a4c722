"""Claims about files at public addresses, against a small server on the loopback, and about the table of them."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from loopback import LoopbackServer
from torchvision.models import video
from typer.testing import CliRunner, Result

from detectors import web_file
from detectors.web_file import WebFile
from detectors.weights import WEIGHTS, WeightsError, cached, digest, fetch
from detectors.weights_table import TORCHVISION
from run import app

CONTENT = bytes(range(256)) * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
CLOSED = "http://127.0.0.1:9"


class SmallServer(LoopbackServer):
    """Answers every address with one body, which can be cut short, or come without its length, or never end."""

    def __init__(self) -> None:
        self.body, self.status, self.cut_at = CONTENT, 200, len(CONTENT)
        self.says_length = True
        self.downloads, self.accepted, self.stuck = 0, "", threading.Event()
        self.stuck.set()
        super().__init__()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.downloads, self.accepted = self.downloads + 1, request.headers["Accept-Encoding"]
        request.send_response(self.status)
        if self.says_length:
            request.send_header("Content-Length", str(len(self.body)))
        request.end_headers()
        request.wfile.write(self.body[: self.cut_at])
        self.stuck.wait(10)

    def entry(self, *, size: int | None = None, sha256: str | None = None) -> WebFile:
        return WebFile(
            address=f"{self.url}/zoo/toy.pth?download=1",
            licence="none",
            description="a [toy]",
            accuracy="50 % top-1, toys",
            size=size,
            sha256=sha256,
        )


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UNTRIMMED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache"


@pytest.fixture
def server(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallServer]:
    served = SmallServer()
    monkeypatch.setitem(WEIGHTS, "toy", served.entry())
    yield served
    served.stuck.set()
    served.close()


def left_in(cache: Path) -> list[str]:
    return sorted(path.relative_to(cache).as_posix() for path in cache.rglob("*") if path.is_file())


def call(*arguments: str, columns: int = 200) -> Result:
    return CliRunner(env={"COLUMNS": str(columns), "TERM": "dumb"}).invoke(app, list(arguments))


# The table


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, entry in WEIGHTS.items()
        if entry.origin.startswith(TORCHVISION) and "Kinetics" in (entry.accuracy or "")
    ],
)
def test_entry_is_what_torchvision_itself_publishes(name: str) -> None:
    entry, published = WEIGHTS[name], {weights.url: weights for weights in torchvision_weights()}
    assert entry.origin in published
    metrics = published[entry.origin].meta["_metrics"]["Kinetics-400"]
    assert entry.accuracy == f"{metrics['acc@1']} % top-1, Kinetics-400"


def test_every_video_network_of_torchvision_is_in_the_table() -> None:
    published = {weights.url for weights in torchvision_weights() if "Kinetics-400" in weights.meta["_metrics"]}
    assert published and published <= {entry.origin for entry in WEIGHTS.values()}


def torchvision_weights() -> list:
    enums = [getattr(video, name) for name in dir(video) if name.endswith("_Weights")]
    return [weights for enum in enums for weights in enum]


def test_web_files_of_the_table_are_read_securely_and_their_known_digits_are_hexadecimal() -> None:
    entries = [entry for entry in WEIGHTS.values() if isinstance(entry, WebFile)]
    assert len({entry.address for entry in entries}) == len(entries) >= 15
    for entry in entries:
        assert entry.address.startswith("https://") and "." in entry.file_name and entry.accuracy
        assert entry.sha256 is None or (len(entry.sha256) in (8, 64) and set(entry.sha256) <= set("0123456789abcdef"))


# Download


def test_download_is_kept_whole_and_tells_its_progress(server: SmallServer, cache: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    path = fetch("toy", progress=lambda done, total: seen.append((done, total)))
    assert path == cache / "toy" / "toy.pth" and path.read_bytes() == CONTENT
    assert len(seen) > 1 and seen == sorted(seen) and seen[-1] == (len(CONTENT), len(CONTENT))
    assert server.accepted == "identity" and left_in(cache) == ["toy/toy.pth"]
    assert fetch("toy") == path and server.downloads == 1


def test_server_that_says_no_length_is_read_to_its_end(server: SmallServer) -> None:
    server.says_length = False
    seen: list[tuple[int, int | None]] = []
    assert fetch("toy", progress=lambda done, total: seen.append((done, total))).read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), None)


def test_short_read_is_an_error_and_leaves_nothing(server: SmallServer, cache: Path) -> None:
    server.cut_at = len(CONTENT) // 2
    with pytest.raises(WeightsError, match=r"toy\.pth cannot be fetched: 127\.0\.0\.1 breaks off"):
        fetch("toy")
    assert left_in(cache) == []
    server.cut_at = len(CONTENT)
    assert fetch("toy").read_bytes() == CONTENT


def test_interrupt_by_the_user_leaves_nothing(server: SmallServer, cache: Path) -> None:
    def stop(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch("toy", progress=stop)
    assert left_in(cache) == []


def test_server_that_falls_silent_is_given_up(server: SmallServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_file, "TIMEOUT_S", (1.0, 0.1))
    server.cut_at = 1000
    server.stuck.clear()
    with pytest.raises(WeightsError, match=r"127\.0\.0\.1 does not answer in time"):
        fetch("toy")


@pytest.mark.parametrize("status", [403, 404, 500])
def test_refusal_is_told_by_its_number(server: SmallServer, cache: Path, status: int) -> None:
    server.status = status
    with pytest.raises(WeightsError, match=f"127.0.0.1 answers {status}"):
        fetch("toy")
    assert left_in(cache) == []


@pytest.mark.parametrize(("body", "text"), [(b"", "0 bytes"), (b"\n<!DOCTYPE html>log in", "answers with a web page")])
def test_what_is_no_file_of_weights_is_refused(server: SmallServer, cache: Path, body: bytes, text: str) -> None:
    server.body = body
    with pytest.raises(WeightsError, match=text):
        fetch("toy")
    assert left_in(cache) == []


@pytest.mark.parametrize(
    ("known", "text"),
    [
        ({"size": 5}, f"has {len(CONTENT)} bytes where 5 was expected"),
        ({"sha256": "0badd191"}, f"has sha256 {SHA256} where 0badd191 was expected"),
        ({"sha256": SHA256[:-1] + "g", "size": len(CONTENT)}, f"has sha256 {SHA256} where"),
    ],
)
def test_file_that_is_not_the_published_one_is_refused(
    server: SmallServer, cache: Path, monkeypatch: pytest.MonkeyPatch, known: dict, text: str
) -> None:
    monkeypatch.setitem(WEIGHTS, "toy", server.entry(**known))
    with pytest.raises(WeightsError, match=text) as caught:
        fetch("toy")
    assert "toy.pth" in str(caught.value) and "fetch again" in str(caught.value)
    assert left_in(cache) == []


def test_host_out_of_reach_is_one_line_that_says_what_to_do(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = WebFile(address=f"{CLOSED}/toy.pth", licence="none", description="a toy")
    monkeypatch.setitem(WEIGHTS, "toy", entry)
    with pytest.raises(WeightsError) as caught:
        fetch("toy")
    message = str(caught.value)
    assert message.startswith("toy.pth cannot be fetched: 127.0.0.1 cannot be reached; ") and "\n" not in message
    assert "UNTRIMMED_CACHE" in message and "--set backbone.weights=PATH" in message


# Cache


@pytest.mark.parametrize("known", [{"size": len(CONTENT)}, {"sha256": SHA256[:8]}, {"sha256": SHA256}])
def test_damaged_file_is_fetched_again_if_that_can_be_known(
    server: SmallServer, monkeypatch: pytest.MonkeyPatch, known: dict
) -> None:
    monkeypatch.setitem(WEIGHTS, "toy", server.entry(**known))
    path = fetch("toy")
    assert cached("toy") == path
    path.write_bytes(b"!" + CONTENT)
    assert cached("toy") is None
    assert fetch("toy").read_bytes() == CONTENT and server.downloads == 2


def test_file_of_which_nothing_is_known_is_cached_if_it_is_not_empty(server: SmallServer) -> None:
    assert cached("toy") is None
    path = fetch("toy")
    path.write_bytes(b"another")
    assert cached("toy") == path
    path.write_bytes(b"")
    assert cached("toy") is None


def test_digest_is_the_best_that_is_known_without_a_fetch(server: SmallServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert digest("toy") == server.entry().address
    monkeypatch.setitem(WEIGHTS, "toy", server.entry(sha256=SHA256[:8]))
    assert digest("toy") == f"{server.entry().address} {SHA256[:8]}"
    assert server.downloads == 0
    fetch("toy")
    assert digest("toy") == SHA256
    monkeypatch.setitem(WEIGHTS, "toy", server.entry(sha256="f" * 64))
    assert digest("toy") == "f" * 64


# Commands


def test_list_shows_where_each_is_from_and_which_are_cached(server: SmallServer) -> None:
    fetch("toy")
    result = call("weights", "list")
    assert result.exit_code == 0
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("toy ")]
    assert " ".join(line.split()) == "toy a [toy] 50 % top-1, toys none - 127.0.0.1 yes"


def test_list_fits_100_columns_and_cuts_no_name(cache: Path) -> None:
    lines = call("weights", "list", columns=100).stdout.splitlines()
    assert all(len(line) <= 100 for line in lines[:-1])  # the last line is the folder, to be copied whole
    assert lines[-1] == f"cache folder: {cache}"
    assert set(WEIGHTS) <= {line.partition(" ")[0] for line in lines}
    assert not any("…" in line for line in lines)


@pytest.mark.parametrize("names", [[], ["lost", "toy"]])
def test_fetch_goes_on_after_one_that_cannot_be_had(
    server: SmallServer, cache: Path, monkeypatch: pytest.MonkeyPatch, names: list[str]
) -> None:
    lost = WebFile(address=f"{CLOSED}/lost.pth", licence="none", description="out of reach")
    for name in list(WEIGHTS):
        monkeypatch.delitem(WEIGHTS, name)
    monkeypatch.setitem(WEIGHTS, "lost", lost)
    monkeypatch.setitem(WEIGHTS, "toy", server.entry())
    result = call("weights", "fetch", *names)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1 and result.stderr.startswith("lost.pth cannot be fetched")
    assert f"toy: {cache / 'toy' / 'toy.pth'}" in result.stdout and left_in(cache) == ["toy/toy.pth"]


def test_fetch_of_what_can_be_had_ends_well(server: SmallServer) -> None:
    result = call("weights", "fetch", "toy")
    assert (result.exit_code, result.stderr) == (0, "")
