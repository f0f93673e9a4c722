"""The videos that annotations tell of: found among those given, and their features computed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from commands.console import console
from commands.fetching import fetch_for
from commands.notices import count, listed, say_notice
from commands.options import Engine, read_sources

if TYPE_CHECKING:
    from pipeline.extract import Extracted
    from pipeline.records import Source, Video
    from pipeline.settings import Config


def annotated_sources(names: Iterable[str], videos: list[str]) -> "dict[str, Source]":
    """By the names that annotations give them; says which are missing. Raises AnnotationError if all are."""
    from annotations.errors import AnnotationError
    from annotations.matching import match_videos

    names = list(names)
    by_key = {source.key: source for source in read_sources(videos)}
    key_of = match_videos(names, by_key)
    missing = [name for name in names if name not in key_of]
    if not key_of:
        raise AnnotationError("no annotated video is among --videos; a video has its name in the annotations")
    if missing:
        say_notice(f"{count(len(missing), 'annotated video')} not among --videos: {listed(missing)}")
    return {name: by_key[key] for name, key in key_of.items()}


def probed(sources: "Mapping[str, Source]") -> "dict[str, Video]":
    """By the names that annotations give them; says which cannot be opened."""
    from pipeline.probing import probe_all
    from pipeline.records import Video
    from stages.probe import Probe

    videos = {}
    for name, (source, found) in zip(sources, probe_all(list(sources.values()), Probe()), strict=True):
        if isinstance(found, Video):
            videos[name] = found
        else:
            say_notice(f"{source.key} is left out: {found[0]}: {found[1]}")
    return videos


def features_of(
    sources: "Mapping[str, Source]", config: "Config", engine: Engine, address: str | None
) -> "dict[str, Extracted]":
    """Of each what came of it, by the same names; says which have no features. Raises StopRun and WeightsError."""
    fetch_for(config)
    extracted = extracted_from(list(sources.values()), config, engine, address)
    for one in extracted:
        if one.features is None:
            reasons = "; ".join(f"{failure.error_class}: {failure.message}" for failure in one.failures[:1])
            say_notice(f"{one.source.key} is left out: {reasons or 'no features came of it'}")
    return dict(zip(sources, extracted, strict=True))


def extracted_from(
    sources: "Sequence[Source]", config: "Config", engine: Engine, address: str | None
) -> "list[Extracted]":
    """Their features, brought into the cache under bars. Raises StopRun."""
    from pipeline.extract import extract
    from pipeline.progress import Progress
    from stages.build import build_feature_stages

    return extract(
        sources,
        config,
        make_stages=build_feature_stages,
        progress=Progress(console),
        engine=engine.value,
        address=address,
    )
