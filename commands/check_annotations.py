"""The command `annotations check`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.console import console
from commands.notices import count, listed, print_line
from commands.options import read_sources
from commands.plain_errors import plain_errors

if TYPE_CHECKING:
    from annotations.check import Summary
    from pipeline.errors import Refusal
    from pipeline.records import Source


def annotations_check(
    path: Annotated[
        Path, typer.Argument(metavar="FILE", help="ActivityNet's JSON, THUMOS' folder or text, or a table.")
    ],
    videos: Annotated[
        list[str] | None, typer.Option(help="Folder, file, pattern, list or URI of the videos; repeat it for more.")
    ] = None,
    subset: Annotated[str | None, typer.Option(help="Only the videos of this subset.")] = None,
) -> None:
    """Say what annotations hold, what is missing and what looks wrong, before anyone trains or measures on them."""
    with plain_errors():
        from annotations.check import summarize
        from annotations.matching import match_videos
        from annotations.read import read_annotations
        from annotations.split import of_subsets

        every = read_annotations(path)
        chosen = every if subset is None else of_subsets(every, [subset])
        if not videos:
            _show(path, summarize(chosen))
            return
        sources = read_sources(videos)
        key_of = match_videos((source.key for source in sources), every.spans.videos)
        others = set(every.spans.videos) - set(chosen.spans.videos)
        sources = [source for source in sources if key_of.get(source.key) not in others]
        durations_s, refused = _probe([source for source in sources if source.key in key_of])
        _show(path, summarize(chosen, [source.key for source in sources], durations_s), refused)


def _probe(sources: "Sequence[Source]") -> "tuple[dict[str, float], dict[str, Refusal]]":
    """Seconds of those that can be read, and why others cannot, by key."""
    from pipeline.probing import probe_all
    from pipeline.records import Video
    from stages.probe import Probe

    durations_s, refused = {}, {}
    for source, found in probe_all(sources, Probe()):
        if isinstance(found, Video):
            durations_s[source.key] = found.duration_s
        else:
            refused[source.key] = found
    return durations_s, refused


def _show(path: Path, summary: "Summary", refused: "Mapping[str, Refusal] | None" = None) -> None:
    from annotations.values import shown
    from reports.annotations import class_table, counts_line, overlaps_line, subset_table, suspicion_lines

    print_line(f"{path}: {counts_line(summary)}")
    console.print(class_table(summary), highlight=False)
    if len(summary.videos_by_subset) > 1:
        console.print(subset_table(summary), highlight=False)
    print_line(overlaps_line(summary))
    if summary.missing_videos is not None and summary.unannotated_videos is not None:
        for names, what in (
            (summary.missing_videos, "annotated, but not among the files"),
            (summary.unannotated_videos, "among the files, but without annotations"),
        ):
            print_line(f"{what}: {count(len(names), 'video')}{': ' if names else ''}{listed(names)}")
        for key, (error_class, sentence) in (refused or {}).items():
            print_line(f"cannot be read: {shown(key)}: {error_class}: {sentence}")
    for line in suspicion_lines(summary):
        print_line(line)
