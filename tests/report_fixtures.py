"""Fixtures of the report's page: a headless Chromium, the page opened in it, and two folders to report on."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from recordings import record
from report_browser import EVIL, LONG, PAINTED, Open, Seen
from report_folders import action, commit_video, many_actions, person, tube

from reports.page.report import write_report


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    path = next((found for name in names if (found := shutil.which(name))), None)
    args = ["--no-sandbox"] if os.geteuid() == 0 else []
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as play:
        try:
            chromium = play.chromium.launch(executable_path=path, args=args)
        except sync_api.Error as error:
            pytest.skip(f"needs Chromium, on PATH or Playwright's own: {str(error).splitlines()[0]}")
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Open]:
    """Opens a report; no error, no message and no request but for local files is allowed until the test ends."""
    opened: list[Seen] = []

    def open_(folder: Path, width: int = 1280, address: str = "", **options: str) -> Seen:
        context = browser.new_context(viewport={"width": width, "height": 900 if width > 600 else 700}, **options)
        context.set_default_timeout(5000)
        seen = Seen(context.new_page())
        seen.page.on("console", lambda message: seen.wrong.append(f"console: {message.text}"))
        seen.page.on("pageerror", lambda error: seen.wrong.append(f"error: {error}"))
        seen.page.on("dialog", lambda dialog: seen.wrong.append("dialog") or dialog.dismiss())
        seen.page.on("request", lambda request: _note_request(seen, request.url))
        seen.page.goto((folder / "report.html").as_uri() + address)
        seen.page.evaluate(PAINTED)
        opened.append(seen)
        return seen

    yield open_
    for seen in opened:
        assert seen.wrong == []
        seen.page.context.close()


def _note_request(seen: Seen, url: str) -> None:
    if not url.startswith(("file:", "data:")):
        seen.wrong.append(f"request: {url}")


@pytest.fixture(scope="session")
def park_and_yard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two videos with ten actions of four labels, one without any, and one that failed."""
    folder = tmp_path_factory.mktemp("three")
    runs = [action(10.0 * number, 10.0 * number + 4, "run", number / 10) for number in range(1, 6)]
    hops = [action(5, 8, "hop", 0.35), action(50, 59, "hop", 0.95)]
    commit_video(folder, "park/a.mp4", {"segments": [*runs, *hops, action(0, 60, "rest", 0.05)]})
    commit_video(folder, "yard/b.mp4", {"segments": [action(1, 2, "run", 0.7), action(3, 33, "climb", 0.15)]})
    commit_video(folder, "yard/empty.mp4")
    commit_video(
        folder, "yard/gone.mp4", status="failed", error_class="NotFound", error="the file is gone", duration_s=None
    )
    write_report(folder, folder / "report.html")
    return folder


@pytest.fixture(scope="session")
def filmed_people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real video with people in it as the tables have them, beside the page; names that are hard on a layout."""
    folder = tmp_path_factory.mktemp("people")
    video = record(folder / "a b.mp4", size=(320, 180), frames=150)
    persons = [person(track, float(time_s), (0.25, 0.25, 0.5, 0.75)) for track in range(1, 13) for time_s in range(6)]
    tubes = [
        tube(1, 0, 2, "walk", 0.9),
        tube(1, 1, 3, "talk", 0.8),
        tube(2, 1, 4, "walk", 0.6),
        tube(3, 0, 6, None, None),
    ]
    lost = [{"start_s": 2.0, "stop_s": 3.0, "reason": "bytes are damaged"}]
    rows = {"segments": [action(1, 2.5, EVIL, 0.7), action(0, 6, "run", 0.5)], "tubes": tubes, "persons": persons}
    row = {"uri": str(video), "duration_s": 6.0, "width": 320, "height": 180, "fingerprint": None}
    commit_video(folder, "a b.mp4", rows, **row, status="partial", error_class="Damaged", error=EVIL, lost_spans=lost)
    commit_video(folder, LONG, {"segments": many_actions(40, 12, 36_000.0)}, duration_s=36_000.0)
    write_report(folder, folder / "report.html")
    return folder
