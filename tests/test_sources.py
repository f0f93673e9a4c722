"""Claims about listing and opening: real files and folders, and a small S3 served from the loopback."""

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pyarrow as pa
import pytest
from pyarrow import parquet

from pipeline.errors import InputError
from pipeline.opening import fingerprint, open_source
from pipeline.records import Source
from pipeline.sources import list_sources

ROOT = Path(__file__).parents[1]


def touch(path: Path, content: bytes = b"video") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def keys(*inputs: object, include: tuple[str, ...] = (), exclude: tuple[str, ...] = ()) -> list[str]:
    return [source.key for source in list_sources([str(one) for one in inputs], include=include, exclude=exclude)]


def errors(folder: Path) -> dict[str, str]:
    return {source.key: source.error[0] for source in list_sources([str(folder)]) if source.error}


def test_folder_is_walked_for_videos_of_any_case_and_hidden_ones_are_passed_over(tmp_path: Path) -> None:
    for name in ("b.mp4", "a/B.MKV", "a/c/d.MxF", "notes.txt", ".hidden.mp4", "a/._d.mp4", ".cache/e.mp4"):
        touch(tmp_path / name)
    sources = list_sources([str(tmp_path)])
    assert [source.key for source in sources] == ["a/B.MKV", "a/c/d.MxF", "b.mp4"]
    assert sources[2] == Source("b.mp4", str(tmp_path / "b.mp4"), 5)


def test_single_file_is_taken_with_any_suffix_and_keyed_by_its_name(tmp_path: Path) -> None:
    assert keys(touch(tmp_path / "sub" / "recording.dat")) == ["recording.dat"]


def test_relative_input_has_an_absolute_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "a:b.mp4")
    monkeypatch.chdir(tmp_path)
    assert list_sources(["a:b.mp4"])[0].uri == str(tmp_path / "a:b.mp4")


def test_same_real_file_is_listed_once_under_its_own_name(tmp_path: Path) -> None:
    video = touch(tmp_path / "z.mp4")
    (tmp_path / "a.mp4").symlink_to(video)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "c").symlink_to(tmp_path)
    assert keys(tmp_path, video, tmp_path / "*.mp4", video.as_uri(), exclude=("b/c",)) == ["z.mp4"]


def test_sources_that_share_a_key_take_their_uri(tmp_path: Path) -> None:
    videos = [touch(tmp_path / name) for name in ("one/a.mp4", "two/a.mp4", "two/b.mp4")]
    assert keys(tmp_path / "one", tmp_path / "two") == sorted([str(videos[0]), str(videos[1]), "b.mp4"])


@pytest.mark.parametrize(
    "name", ["ä ö 視頻.mp4", 'it\'s "it".mp4', " lead.mp4", "a\nb.mp4", "100%20.mp4", "[1]*?.mp4", "#1.mp4"]
)
def test_everyday_names_are_found_opened_and_fingerprinted(tmp_path: Path, name: str) -> None:
    video = touch(tmp_path / name)
    for argument in (tmp_path, video, video.as_uri()):
        (source,) = list_sources([str(argument)])
        assert (source.key, open_source(source.uri)) == (name, str(video))
        assert len(fingerprint(source.uri, source.size)) == 64


def test_name_that_is_no_utf8_gets_a_key_and_a_uri_that_are_and_opens(tmp_path: Path) -> None:
    paths = [os.fsencode(tmp_path) + b"/bad\xff.mp4", os.fsencode(tmp_path) + b"/bad\xfe.mp4"]
    for path in paths:
        Path(os.fsdecode(path)).write_bytes(b"video")
    sources = list_sources([str(tmp_path)])
    assert [source.key for source in sources] == ["bad\\xfe.mp4", "bad\\xff.mp4"]
    pa.table({"key": [source.key for source in sources], "uri": [source.uri for source in sources]})
    assert [os.fsencode(str(open_source(source.uri))) for source in reversed(sources)] == paths
    assert fingerprint(sources[0].uri, 5)


def test_what_looks_like_a_video_but_cannot_be_one_is_listed_with_its_error(tmp_path: Path) -> None:
    touch(tmp_path / "folder.mp4" / "inside.mp4")
    touch(tmp_path / "empty.mp4", b"")
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "gone.mp4").symlink_to("nowhere")
    (tmp_path / "gone_folder").symlink_to("nowhere")
    (tmp_path / "gone.txt").symlink_to("nowhere")
    (tmp_path / "loop.mp4").symlink_to("loop.mp4")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "up").symlink_to("..")
    (tmp_path / "sub" / "root").symlink_to("/")
    assert errors(tmp_path) == {
        "folder.mp4": "IsADirectory",
        "empty.mp4": "EmptyFile",
        "pipe.mp4": "NotAFile",
        "gone.mp4": "NotFound",
        "gone_folder": "NotFound",
        "loop.mp4": "SymlinkLoop",
        "sub/up": "SymlinkLoop",
        "sub/root": "SymlinkLoop",
    }
    assert "folder.mp4/inside.mp4" in keys(tmp_path)


def test_socket_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("live.mp4")
        assert errors(tmp_path) == {"live.mp4": "NotAFile"}


def test_named_file_that_cannot_be_a_video_is_listed_with_its_error(tmp_path: Path) -> None:
    loop = tmp_path / "loop.mp4"
    loop.symlink_to(loop)
    assert list_sources([str(loop)])[0].error == ("SymlinkLoop", "it is a symbolic link that leads back to itself")
    assert list_sources([str(touch(tmp_path / "empty", b""))])[0].error is not None


def test_linked_folder_is_followed_once_and_a_loop_between_two_ends(tmp_path: Path) -> None:
    touch(tmp_path / "there" / "a.mp4")
    touch(tmp_path / "here" / "b.mp4")
    (tmp_path / "here" / "one").symlink_to(tmp_path / "there")
    (tmp_path / "here" / "two").symlink_to(tmp_path / "there")
    (tmp_path / "there" / "back").symlink_to(tmp_path / "here")
    sources = list_sources([str(tmp_path / "here")])
    assert sum(source.error is None for source in sources) == 2
    assert [source.error[0] for source in sources if source.error] == ["SymlinkLoop"]


def without_root_rights(code: str) -> str:
    """What a Python program prints when permissions count for it, as they do not for root."""
    command = [sys.executable, "-c", code]
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("root reads everything, and there is no setpriv to give that up")
        dropped = "-dac_override,-dac_read_search"
        command = ["setpriv", f"--bounding-set={dropped}", f"--inh-caps={dropped}", *command]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if "setpriv:" in done.stderr:
        pytest.skip(f"root reads everything, and here it stays so: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_unreadable_file_and_folder_are_listed_as_such(tmp_path: Path) -> None:
    touch(tmp_path / "secret.mp4").chmod(0)
    touch(tmp_path / "closed" / "a.mp4")
    touch(tmp_path / "open.mp4")
    (tmp_path / "closed").chmod(0)
    code = (
        "from pipeline.sources import list_sources;"
        f"print(sorted((s.key, s.error and s.error[0]) for s in list_sources([{str(tmp_path)!r}])))"
    )
    try:
        printed = without_root_rights(code)
    finally:
        (tmp_path / "closed").chmod(0o755)
    assert printed == str([("closed", "PermissionDenied"), ("open.mp4", None), ("secret.mp4", "PermissionDenied")])


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.mp4", ["a.mp4"]),
        ("**/*.mp4", ["a.mp4", "cam1/b.mp4", "cam1/deep/c.mp4", "cam2/d.mp4"]),
        ("cam?/*.mp4", ["cam1/b.mp4", "cam2/d.mp4"]),
        ("cam1/**", ["b.mp4", "deep/c.mp4"]),
        ("cam[2]/*", ["cam2/d.mp4"]),
        ("**/*.dat", ["cam2/e.dat"]),
    ],
)
def test_pattern_matches_as_a_shell_does(tmp_path: Path, pattern: str, expected: list[str]) -> None:
    for name in ("a.mp4", "cam1/b.mp4", "cam1/deep/c.mp4", "cam2/d.mp4", "cam2/e.dat", "cam2/.f.mp4"):
        touch(tmp_path / name)
    assert keys(tmp_path / pattern) == expected


def test_text_list_is_relative_to_its_folder_and_keeps_what_is_missing(tmp_path: Path) -> None:
    touch(tmp_path / "lists" / "here # 1.mp4")
    other = touch(tmp_path / "other.dat")
    text = f"# a comment\r\nhere # 1.mp4\r\n\r\n{other}\n  gone.mp4\n../sub\n"
    touch(tmp_path / "sub" / "deep" / "x.mov")
    path = touch(tmp_path / "lists" / "all.txt", b"\xef\xbb\xbf" + text.encode())
    sources = list_sources([str(path)])
    assert [source.key for source in sources] == ["deep/x.mov", "gone.mp4", "here # 1.mp4", "other.dat"]
    assert [source.error and source.error[0] for source in sources] == [None, "NotFound", None, None]


@pytest.mark.parametrize(
    "table",
    [
        "name,Video\nx,a.mp4\nx,b.mp4\n",
        "uri\na.mp4\nb.mp4\n",
        "clip,n\na.mp4,1\nb.mp4,2\n",
        "a.mp4\nb.mp4\n",
        "a.mp4,1\nb.mp4,2",
    ],
)
def test_csv_list_uses_its_column_of_videos_or_the_first(tmp_path: Path, table: str) -> None:
    touch(tmp_path / "a.mp4")
    touch(tmp_path / "b.mp4")
    assert keys(touch(tmp_path / "list.csv", table.encode())) == ["a.mp4", "b.mp4"]


@pytest.mark.parametrize("column", ["path", "recording"])
def test_parquet_list(tmp_path: Path, column: str) -> None:
    touch(tmp_path / "a.mp4")
    parquet.write_table(pa.table({column: ["a.mp4", None], "uri2": ["x", "y"]}), tmp_path / "list.parquet")
    assert keys(tmp_path / "list.parquet") == ["a.mp4"]


@pytest.mark.parametrize("name", ["list.parquet", "list.txt", "list.csv"])
def test_damaged_or_empty_list_is_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=name) as caught:
        keys(touch(tmp_path / name, b"\n"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "argument", ["", "missing.mp4", "empty_folder", "none*.mp4", "ftp://somewhere/x", "no_dir/**/*"]
)
def test_input_that_matches_nothing_is_refused_by_name(
    tmp_path: Path, argument: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty_folder").mkdir()
    touch(tmp_path / "a.mp4")
    with pytest.raises(InputError) as caught:
        keys("a.mp4", argument)
    assert str(caught.value).startswith(argument) and "\n" not in str(caught.value)


def test_include_exclude_and_limit_work_on_the_key(tmp_path: Path) -> None:
    for name in ("cam1/a.mp4", "cam1/b.mp4", "cam2/a.mp4"):
        touch(tmp_path / name)
    assert keys(tmp_path, include=("cam1/*",)) == ["cam1/a.mp4", "cam1/b.mp4"]
    assert keys(tmp_path, exclude=("*/a.mp4",)) == ["cam1/b.mp4"]
    assert len(list_sources([str(tmp_path)], limit=2)) == 2
    with pytest.raises(InputError, match="none of 3"):
        keys(tmp_path, include=("cam9/*",))


def test_fingerprint_is_of_the_content_and_the_size(tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    first, copy = touch(tmp_path / "a.mp4", content), touch(tmp_path / "b.mp4", content)
    assert fingerprint(str(first), len(content)) == fingerprint(copy.as_uri(), len(content))
    for changed in (b"x" + content[1:], content[:-1] + b"x", content + b"x", content[:-1]):
        other = touch(tmp_path / "c.mp4", changed)
        assert fingerprint(str(other), len(changed)) != fingerprint(str(first), len(content))


def test_fingerprint_of_a_small_file_sees_every_byte(tmp_path: Path) -> None:
    content = bytearray(os.urandom(16 * 65536))
    path = touch(tmp_path / "a.mp4", bytes(content))
    before = fingerprint(str(path), len(content))
    content[500_001] ^= 1
    path.write_bytes(bytes(content))
    assert fingerprint(str(path), len(content)) != before


class SmallStore(BaseHTTPRequestHandler):
    """Enough of S3 to list and read one bucket that is a folder on disk."""

    protocol_version = "HTTP/1.1"
    bucket: Path

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        path = self.bucket / unquote(parts.path).removeprefix("/bucket").lstrip("/")
        if "list-type=2" in parts.query:
            self.answer(200, self.listing(parse_qs(parts.query)))
        elif path.is_file():
            self.send_file(path.read_bytes())
        else:
            self.answer(404, b"")

    def send_file(self, content: bytes) -> None:
        asked = self.headers.get("Range")
        if asked is None:
            self.answer(200, content)
            return
        first, last = asked.removeprefix("bytes=").split("-")
        self.answer(206, content[int(first) : int(last) + 1])

    def listing(self, query: dict[str, list[str]]) -> bytes:
        prefix = query.get("prefix", [""])[0]
        names = sorted(p.relative_to(self.bucket).as_posix() for p in self.bucket.rglob("*") if p.is_file())
        found = [
            f"<Contents><Key>{name}</Key><Size>{(self.bucket / name).stat().st_size}</Size></Contents>"
            for name in names
            if name.startswith(prefix)
        ]
        head = f"<KeyCount>{len(found)}</KeyCount><IsTruncated>false</IsTruncated>"
        return f"<ListBucketResult>{head}{''.join(found)}</ListBucketResult>".encode()

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return None


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """A bucket's folder, and the query by which pyarrow finds it."""
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(SmallStore, "bucket", bucket, raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), SmallStore)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield bucket, f"?region=none&scheme=http&endpoint_override=127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_folder_in_a_store_is_listed_and_its_files_open(store: tuple[Path, str]) -> None:
    bucket, query = store
    content = os.urandom(2_000_000)
    touch(bucket / "cams" / "one 1.mp4", content)
    touch(bucket / "cams" / "deep" / "empty.mkv", b"")
    touch(bucket / "cams" / "notes.txt")
    sources = list_sources([f"s3://key:secret@bucket/cams{query}"])
    assert [source.key for source in sources] == ["deep/empty.mkv", "one 1.mp4"]
    assert [source.error and source.error[0] for source in sources] == ["EmptyFile", None]
    file = open_source(sources[1].uri)
    assert not isinstance(file, str)
    with file:
        file.seek(1_500_000)
        assert file.read(100) == content[1_500_000:1_500_100]
    local = fingerprint(str(bucket / "cams" / "one 1.mp4"), len(content))
    assert fingerprint(sources[1].uri, sources[1].size) == local


def test_single_file_in_a_store_and_one_that_is_missing(store: tuple[Path, str], tmp_path: Path) -> None:
    bucket, query = store
    touch(bucket / "a.mp4")
    there, gone = f"s3://key:secret@bucket/a.mp4{query}", f"s3://key:secret@bucket/b.mp4{query}"
    assert list_sources([there]) == [Source("a.mp4", there, 5)]
    with pytest.raises(InputError, match=r"b\.mp4"):
        list_sources([gone])
    path = touch(tmp_path / "list.txt", f"{there}\n{gone}\n".encode())
    assert [source.error and source.error[0] for source in list_sources([str(path)])] == [None, "NotFound"]
