"""A results folder as one HTML file that needs nothing else: no network, no other file but the videos it plays."""

import base64
import hashlib
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from annotations.files import replacing
from pipeline.opening import local_path
from reports.page import text
from reports.page.data import detection_columns, overview, script_json, video_block
from reports.page.instants import wanted_instants
from reports.page.pictures import CHANGED, UNREADABLE, Pictures, Taken, candidates, take_pictures
from reports.page.rows import NOBODY, ReportRows, read_rows

PAGE = Path(__file__).parent
SCRIPTS = ("data", "text", "filters", "labels", "lanes", "people", "timeline", "gallery", "detail", "cards", "start")

PICTURE_CHARACTERS = 7_500_000  # of base64, so that a page of a hundred videos stays below 10 MB
LARGE, SMALL = 320, 160  # pixels of a picture's longer side
MOST_LARGE, MOST_SMALL = 800, 2_600  # pictures, so that they come to about as many characters

Progress = Callable[[int, int], None]  # pictures taken, pictures wanted


@dataclass(frozen=True, slots=True)
class Written:
    """What a report came to."""

    bytes: int
    videos: int
    detections: int
    pictures: int
    refused: Mapping[str, int]  # videos that pictures were wanted of, by why there are none or fewer


def write_report(
    results: Path, out: Path, *, min_score: float = 0.0, has_pictures: bool = True, progress: Progress | None = None
) -> Written:
    """Write the page of what is committed. Raises InputError; AnnotationError for a place that cannot be written."""
    rows = read_rows(results, min_score=min_score)
    taken, wanted_s = _pictures(results, rows, progress) if has_pictures else ({}, {})
    pictures = _within_budget(taken, wanted_s)
    with replacing(out) as temp:
        with temp.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(_page(results, rows, _hrefs(rows, out, taken), pictures, min_score))
        return Written(
            bytes=temp.stat().st_size,
            videos=len(rows.videos),
            detections=len(rows.detections.video_N),
            pictures=sum(map(len, pictures.values())),
            refused=Counter(one.refused for one in taken.values() if one.refused),
        )


def _pictures(
    results: Path, rows: ReportRows, progress: Progress | None
) -> tuple[dict[int, Taken], dict[int, list[float]]]:
    """Pictures of each video that something was found in, and the instants that were wanted, the most wanted first."""
    found_in = sorted(set(rows.detections.video_N.tolist()))
    videos = {number: rows.videos[number] for number in found_in}
    may_open = candidates(results, videos)
    wanted_s = wanted_instants(rows, list(may_open), MOST_SMALL)
    total, done, lock = sum(map(len, wanted_s.values())), 0, threading.Lock()

    def count(number: int) -> None:
        nonlocal done
        with lock:  # told by several threads
            done += number
            if progress is not None:
                progress(done, total)

    width = LARGE if total <= MOST_LARGE else SMALL
    taken = take_pictures(results, videos, may_open, wanted_s, width, count)
    gone = {number: Taken({}, UNREADABLE) for number in found_in if number not in taken}
    return taken | gone, wanted_s


def _within_budget(taken: Mapping[int, Taken], wanted_s: Mapping[int, list[float]]) -> dict[int, dict[float, bytes]]:
    """The pictures that a page has room for: of each video in turn the one most wanted of those that are left."""
    kept: dict[int, dict[float, bytes]] = {number: {} for number in wanted_s}
    left = PICTURE_CHARACTERS
    for turn in range(max(map(len, wanted_s.values()), default=0)):
        for number, instants_s in wanted_s.items():
            picture = taken[number].pictures.get(instants_s[turn]) if turn < len(instants_s) else None
            if picture is not None:
                left -= len(picture) * 4 // 3
                if left < 0:
                    return kept
                kept[number][instants_s[turn]] = picture
    return kept


def _hrefs(rows: ReportRows, out: Path, taken: Mapping[int, Taken]) -> list[str | None]:
    """Where the page finds each video: local files that are there and are what the run read."""
    folder = out.absolute().parent
    return [
        None if number in taken and taken[number].refused == CHANGED else _href(row["uri"] or "", folder)
        for number, row in enumerate(rows.videos)
    ]


def _href(uri: str, folder: Path) -> str | None:
    """Relative to the page's folder for what lies in it, so that both can be moved; else absolute."""
    path = local_path(uri)
    if not uri or path is None or not Path(path).is_file():
        return None
    if Path(path).is_relative_to(folder):
        return quote(os.fsencode(f"./{Path(path).relative_to(folder)}"))
    return f"file://{quote(os.fsencode(path))}"


def _page(
    results: Path, rows: ReportRows, hrefs: list[str | None], pictures: Mapping[int, Pictures], min_score: float
) -> Iterator[str]:
    style, script = Markup((PAGE / "report.css").read_text(encoding="utf-8")), Markup(_script())
    templates = Environment(
        loader=FileSystemLoader(PAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    templates.filters["counted"] = text.counted
    template = templates.get_template("report.html.jinja")
    yield from template.generate(
        name=results.absolute().name,
        policy=_policy(style, script),
        style=style,
        script=script,
        written=datetime.now().strftime("%-d %b %Y, %H:%M"),
        runs=text.runs(rows, text.read_about(results)),
        troubles=text.troubles(rows),
        statuses=text.statuses(rows.videos),
        **_totals(rows, min_score),
        overview=overview(rows, hrefs),
        columns=detection_columns(rows),
        blocks=_blocks(rows, pictures),
    )


def _totals(rows: ReportRows, min_score: float) -> dict[str, Any]:
    found = rows.detections
    top = float(found.score_N.max(initial=0.0))
    step = 0.001 if top <= 0.1 else 0.01
    return {
        "videos": len(rows.videos),
        "length": text.length(sum(row["duration_s"] or 0.0 for row in rows.videos)),
        "actions": int((found.track_N == NOBODY).sum()),
        "people_actions": int((found.track_N != NOBODY).sum()),
        "labels": len(rows.labels),
        "min_score": min_score,
        "score_step": step,
        "score_top": min(1.0, round(max(step, -(-top // step) * step), 3)),
    }


def _script() -> str:
    """One script, so that nothing of it is global."""
    parts = "\n".join((PAGE / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
    return f'(() => {{\n"use strict";\n{parts}}})();\n'


def _policy(style: str, script: str) -> str:
    """What a browser lets the page do: run this very script, show pictures in it, play local files; no network."""
    hashes = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in (style, script)]
    return (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        "img-src data:; media-src 'self' file:; base-uri 'none'; form-action 'none'"
    )


def _blocks(rows: ReportRows, pictures: Mapping[int, Pictures]) -> Iterator[tuple[int, Markup]]:
    for number in range(len(rows.videos)):
        block = video_block(rows, number, pictures.get(number, {}))
        if block:
            yield number, script_json(block)
