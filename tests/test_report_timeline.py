"""Timelines and the panel of one action in a real headless Chromium: by mouse, by keyboard, with and without a file."""

from pathlib import Path

import pytest
from report_browser import LONG, Open, until

pytest_plugins = ("report_fixtures",)
pytestmark = pytest.mark.browser


def test_spans_lie_at_their_times_and_surer_ones_are_stronger(park_and_yard: Path, open_page: Open) -> None:
    page = open_page(park_and_yard).page
    lane = page.get_by_role("listbox", name="run, 5 actions")
    bed, marks = lane.bounding_box(), [mark.bounding_box() for mark in lane.locator(".mark").all()]
    for number, mark in enumerate(marks, 1):
        assert (mark["x"] - bed["x"]) / bed["width"] == pytest.approx(number / 6, abs=0.005)
        assert mark["width"] / bed["width"] == pytest.approx(4 / 60, abs=0.005)
    colours = [
        page.evaluate("(mark) => getComputedStyle(mark).backgroundColor", mark.element_handle())
        for mark in lane.locator(".mark").all()
    ]
    opacities = [float(colour.rstrip(")").replace("/", ",").split(",")[-1]) for colour in colours]
    assert opacities == sorted(opacities) and len(set(opacities)) == 5


def test_long_video_is_zoomed_and_its_names_stay(filmed_people: Path, open_page: Open) -> None:
    page = open_page(filmed_people).page
    card = page.get_by_role("article", name=LONG)
    card.scroll_into_view_if_needed()
    zoom_in, zoom_out = (card.get_by_role("button", name=f"Zoom {way}") for way in ("in", "out"))
    bed = card.locator(".bed").first
    before = bed.bounding_box()["width"]
    assert zoom_out.is_disabled()
    for _ in range(3):
        zoom_in.click()
    assert bed.bounding_box()["width"] == pytest.approx(8 * before, rel=0.01)
    name, scroller = card.locator(".lane-name").first.bounding_box(), card.locator(".timeline").bounding_box()
    assert (
        name["x"] == pytest.approx(scroller["x"], abs=1)
        and card.locator(".timeline").evaluate("(e) => e.scrollLeft") > 0
    )
    for _ in range(3):
        zoom_out.click()
    assert bed.bounding_box()["width"] == pytest.approx(before, rel=0.01)


def test_lanes_beyond_the_best_are_shown_on_demand(filmed_people: Path, open_page: Open) -> None:
    page = open_page(filmed_people).page
    card = page.get_by_role("article", name="a b.mp4")
    assert card.locator(".of-person:visible").count() == 8
    card.get_by_role("button", name="All 12 people").click()
    assert card.locator(".of-person:visible").count() == 12
    names = card.locator(".of-person .lane-name").all_text_contents()
    assert names[:2] == ["Person 1", "Person 2"] and len(set(names)) == 12


def test_people_have_lanes_for_what_they_do_and_while_they_are_in_view(filmed_people: Path, open_page: Open) -> None:
    seen = open_page(filmed_people)
    first = seen.page.get_by_role("listbox", name="Person 1, 2 actions")
    assert first.locator(".mark").all_text_contents() == ["walk", "talk"] and first.locator(".presence").count() == 1
    tops = {mark.bounding_box()["y"] for mark in first.locator(".mark").all()}
    assert len(tops) == 2  # what overlaps lies in rows
    assert seen.page.get_by_role("img", name="Person 3: in view, no action").is_visible()
    seen.page.get_by_role("button", name="talk", exact=True).click()
    mark, bed = (seen.page.locator(f".of-person {name}:visible").bounding_box() for name in (".mark", ".bed"))
    assert (mark["y"] - bed["y"], bed["height"]) == (3, 22)  # one row where nothing overlaps any more
    assert seen.page.locator(".of-person:visible").count() == 1
    assert seen.page.locator(".area .lost").count() == 1
    assert "1.0 s could not be read" in str(seen.page.text_content(".lost-note"))


# Keyboard


def test_keys_reach_everything_in_a_sensible_order(park_and_yard: Path, open_page: Open) -> None:
    seen = open_page(park_and_yard)
    stops = []
    for _ in range(24):
        seen.page.keyboard.press("Tab")
        stops.append(seen.focused())
    assert stops[:4] == ["Skip to the videos", "NotFound 1 video: 1 failed", "score", "text"]
    assert stops[4:7] == ["Label", "Times", "Total"] and stops[7:11] == ["rest", "climb", "run", "hop"]
    assert stops[11:15] == ["+", "bed", "bed", "bed"]  # what is above, then lane by lane


def test_lane_is_one_stop_and_arrows_walk_its_spans(park_and_yard: Path, open_page: Open) -> None:
    seen = open_page(park_and_yard)
    seen.set_score(0.2)
    lane = seen.page.get_by_role("listbox", name="run, 4 actions")
    lane.focus()
    for key, start in (("ArrowRight", "0:30.0"), ("ArrowRight", "0:40.0"), ("End", "0:50.0"), ("ArrowRight", "0:50.0")):
        seen.page.keyboard.press(key)
        active = seen.page.locator(f"#{lane.get_attribute('aria-activedescendant')}")
        assert active.get_attribute("aria-label").startswith(start)
    seen.page.keyboard.press("Home")
    assert seen.page.locator("#tip").is_visible() and "0:20.0–0:24.0" in seen.page.inner_text("#tip")
    seen.page.keyboard.press("Enter")
    assert seen.page.locator("dialog .facts dd").all_inner_texts() == ["0:00:20.0", "0:00:24.0", "4.0 s", "0.20"]
    seen.page.keyboard.press("ArrowRight")
    assert seen.page.locator("dialog .facts dd").all_inner_texts()[0] == "0:00:30.0"
    seen.page.keyboard.press("Escape")
    assert not seen.page.locator("dialog").is_visible()
    assert seen.page.evaluate("document.activeElement.getAttribute('aria-label')") == "run, 4 actions"


def test_panel_steps_through_what_passes_and_stops_at_the_ends(park_and_yard: Path, open_page: Open) -> None:
    seen = open_page(park_and_yard)
    seen.set_score(0.4)
    seen.page.locator(".tiles button").first.click()
    place, forward = seen.page.locator("dialog footer .muted"), seen.page.get_by_role("button", name="Next")
    assert seen.page.inner_text("dialog h2") == "hop" and place.inner_text() == "3 of 3" and forward.is_disabled()
    seen.page.keyboard.press("ArrowRight")
    seen.page.get_by_role("button", name="Previous").click()
    assert place.inner_text() == "2 of 3" and seen.focused() == "← Previous"
    seen.page.keyboard.press("Enter")
    assert place.inner_text() == "1 of 3" and seen.focused() == "×"
    forward.click()
    assert place.inner_text() == "2 of 3" and seen.focused() == "Next →"


# The panel


def test_preview_plays_the_file_itself_again_and_again_with_the_persons_box(
    filmed_people: Path, open_page: Open
) -> None:
    page = open_page(filmed_people).page
    page.get_by_role("listbox", name="Person 1, 2 actions").locator(".mark").last.click()
    page.wait_for_selector(".playing video")
    watch = """async () => {
      const video = document.querySelector("dialog video"), times = [];
      while (times.length < 400 && !times.some((time, at) => time < times[at - 1])) {
        await new Promise(requestAnimationFrame);
        times.push(video.currentTime);
      }
      return [Math.min(...times), Math.max(...times), times.length, video.muted, video.videoWidth];
    }"""
    earliest, latest, frames, is_muted, width = page.evaluate(watch)
    assert earliest >= 0.7 and latest <= 3.1 and frames < 400 and is_muted and width == 320
    frame, box = page.locator("dialog .stage .frame").bounding_box(), page.locator("dialog .stage .box").bounding_box()
    for side, length, expected in (("x", "width", 0.25), ("y", "height", 0.25)):
        assert (box[side] - frame[side]) / frame[length] == pytest.approx(expected, abs=0.01)
    page.get_by_role("button", name="Pause").click()
    assert page.evaluate("document.querySelector('dialog video').paused")
    page.get_by_role("button", name="Still at 0:00:02.0").click()
    until(page, "Math.abs(document.querySelector('dialog video').currentTime - 2) < 0.1")


def test_stills_are_shown_in_turn_where_the_file_is_gone(filmed_people: Path, open_page: Open, tmp_path: Path) -> None:
    moved = tmp_path / "report.html"
    moved.write_text((filmed_people / "report.html").read_text(encoding="utf-8"), encoding="utf-8")
    seen = open_page(tmp_path)
    seen.page.get_by_role("listbox", name="run, 1 action").locator(".mark").click()
    seen.page.wait_for_selector("dialog:not(:has(video))")
    stills = seen.page.locator("dialog .strip img").evaluate_all("(every) => every.map((one) => one.src)")
    assert len(set(stills)) == 3
    shown = [seen.page.get_attribute("dialog .stage img", "src")]
    until(seen.page, "(src) => document.querySelector('dialog .stage img').src !== src", shown[0])
    shown.append(seen.page.get_attribute("dialog .stage img", "src"))
    assert shown[0] != shown[1] and set(shown) <= set(stills)
    assert [wrong for wrong in seen.wrong if "ERR_FILE_NOT_FOUND" not in wrong] == []
    seen.wrong.clear()  # the browser itself tells of a file that is gone


def test_nothing_moves_by_itself_where_that_is_not_wanted(filmed_people: Path, open_page: Open) -> None:
    page = open_page(filmed_people, reduced_motion="reduce").page
    page.locator(".tiles button").first.click()
    page.wait_for_selector(".playing video")
    assert page.evaluate("document.querySelector('dialog video').paused")
    page.get_by_role("button", name="Play").click()
    until(page, "!document.querySelector('dialog video').paused")


def test_time_is_copied(filmed_people: Path, open_page: Open) -> None:
    seen = open_page(filmed_people, permissions=["clipboard-read", "clipboard-write"])  # type: ignore[arg-type]
    seen.page.locator(".tiles button").first.click()
    seen.page.get_by_role("button", name="copy the stop").click()
    until(seen.page, "document.getElementById('said').textContent.includes('copied')")
    assert seen.page.evaluate("navigator.clipboard.readText()") == "0:00:02.0"
