"""Names of videos in an annotation file against names of ours, which are paths below a folder."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from annotations.errors import AnnotationError
from annotations.records import FoundPeople, Frame, LabelledSpans

_SUFFIXES = ".mp4 .m4v .mov .mkv .webm .avi .ts .m2ts .mts .mpg .mpeg .wmv .flv .3gp .ogv .mxf .vob"
_VIDEO_SUFFIXES = frozenset(_SUFFIXES.split())  # a key such as "walk.2" keeps what follows its dot
_PREFIX = "v_"  # ActivityNet's files are named v_<id>, the videos in its JSON <id>


def match_videos(names: Iterable[str], keys: Iterable[str]) -> dict[str, str]:
    """The key of each name that has one, one to one: by the strictest of the rules below that fits.

    As it is; without suffix; the last part of the path without suffix; the same without `v_`. Raises AnnotationError
    where a rule fits several names or several keys.
    """
    names = list(dict.fromkeys(names))
    left_names, left_keys = names, list(dict.fromkeys(keys))
    matched: dict[str, str] = {}
    for rule in _RULES:
        names_of, keys_of = _by_rule(left_names, rule), _by_rule(left_keys, rule)
        for form in [form for form in names_of if form in keys_of]:
            name = _only("videos", names_of[form], f"the annotated video {keys_of[form][0]!r}")
            matched[name] = _only("annotated videos", keys_of[form], f"the video {name!r}")
        taken = set(matched.values())
        left_names = [name for name in left_names if name not in matched]
        left_keys = [key for key in left_keys if key not in taken]
    return {name: matched[name] for name in names if name in matched}


class NamesOf:
    """Names of videos in a file, to be asked by a key of ours: what fits it does not depend on other keys."""

    def __init__(self, names: Iterable[str], where: str) -> None:
        """`where`: what messages call the file."""
        self.where = where
        names = list(dict.fromkeys(names))
        self._by_rule = [(rule, _by_rule(names, rule)) for rule in _RULES]

    def __call__(self, key: str) -> str | None:
        """By the strictest rule of `match_videos` that fits any. Raises AnnotationError where it fits two."""
        for rule, names_of in self._by_rule:
            names = names_of.get(rule(key), [])
            if len(names) > 1:
                cure = f"write {key!r} there in full"
                raise AnnotationError(f"{self.where}: {names[0]!r} and {names[1]!r} both fit the video {key!r}; {cure}")
            if names:
                return names[0]
        return None


def rename_videos(found: LabelledSpans, key_of: Mapping[str, str]) -> LabelledSpans:
    """The same spans under other names, as `match_videos` gives them; videos without one keep theirs."""
    videos = tuple(key_of.get(name, name) for name in found.videos)
    return LabelledSpans(videos, found.labels, found.video_N, found.spans_N2, found.label_N, found.scores_N)


def rename_people(found: FoundPeople, key_of: Mapping[str, str]) -> FoundPeople:
    """The same people, their videos under other names."""
    boxes, tubes = found.boxes, found.tubes
    return replace(
        found,
        videos=tuple(key_of.get(video, video) for video in found.videos),
        boxes=replace(boxes, frames=_renamed(boxes.frames, key_of)),
        tubes=None if tubes is None else replace(tubes, frames=_renamed(tubes.frames, key_of)),
    )


def _renamed(frames: Iterable[Frame], key_of: Mapping[str, str]) -> tuple[Frame, ...]:
    return tuple((key_of.get(video, video), time) for video, time in frames)


def _by_rule(names: Iterable[str], rule: Callable[[str], str]) -> dict[str, list[str]]:
    by_form = defaultdict(list)
    for name in names:
        by_form[rule(name)].append(name)
    return by_form


def _only(what: str, names: list[str], fitted: str) -> str:
    if len(names) > 1:
        cure = "rename one, or write paths below the folder in the annotations"
        raise AnnotationError(f"{what} {names[0]!r} and {names[1]!r} both fit {fitted}; {cure}")
    return names[0]


def _as_it_is(name: str) -> str:
    return name


def _without_suffix(name: str) -> str:
    path = PurePosixPath(name.replace("\\", "/"))
    return str(path.with_suffix("") if path.suffix.lower() in _VIDEO_SUFFIXES else path)


def _last_part(name: str) -> str:
    return PurePosixPath(_without_suffix(name)).name


def _without_prefix(name: str) -> str:
    return _last_part(name).removeprefix(_PREFIX)


_RULES: tuple[Callable[[str], str], ...] = (_as_it_is, _without_suffix, _last_part, _without_prefix)  # strictest first
