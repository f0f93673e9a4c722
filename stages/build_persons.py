"""From a config to the stages of the person branch."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from annotations.key_frames import exact_rate
from detectors import persons, weights
from detectors.backbones.contract import Backbone, Contract
from detectors.persons.shots import CONTEXT
from detectors.persons.trained_head import load_head
from pipeline.config import ConfigError
from pipeline.settings import Config
from stages.box_file import BoxFile, boxes_in, check_boxes
from stages.decode import KeySampling
from stages.names import check_known, named_weights
from stages.persons import Around, Persons
from stages.picture import Size
from stages.track import Track
from stages.trained_head import check_head


def resolve_persons(config: Config, backbone: Backbone) -> Config:
    """The config with the weights of the person detector named for good. Raises ConfigError where it cannot run.

    Boxes from a file are read, which raises AnnotationError.
    """
    if not config.persons.is_on:
        return config
    if config.frames.fit == "crop":
        raise ConfigError("frames.fit: people are looked for in the whole picture: keep or squash")
    if backbone.contract.map_stride is None:
        raise ConfigError(f"persons: {config.backbone.name} has no map to look at people in; choose another backbone")
    if not _for_boxes(backbone) and backbone.head is None and config.persons.actions.weights is None:
        raise ConfigError(f"persons: {config.backbone.name} has no class scores for people; choose another backbone")
    detector = config.persons.detector
    check_known("persons.detector.name", detector.name, persons.DETECTORS)
    published = persons.PUBLISHED[detector.name]
    named = named_weights("persons.detector.weights", detector.weights, (published,), detector.name)
    if detector.boxes is not None:
        check_boxes(Path(detector.boxes), config.persons.rate)
    boxes = None if detector.boxes is None else str(Path(detector.boxes).resolve())
    detector = detector.model_copy(update={"weights": named, "boxes": boxes})
    check_head(config)
    return config.model_copy(update={"persons": config.persons.model_copy(update={"detector": detector})})


def check_detector(config: Config) -> None:
    """Try a detector in a file of the user's. Raises ConfigError."""
    detector = config.persons.detector
    if config.persons.is_on and detector.boxes is None and Path(detector.weights).is_file():
        try:
            persons.load(detector.name, Path(detector.weights))
        except weights.WeightsError as error:
            raise ConfigError(f"persons.detector.weights: {error}") from None


def contract_for(config: Config, backbone: Backbone, rate: Fraction) -> Contract:
    """How the backbone is run: one made for boxes on clips about the key frames, if people are looked for."""
    if not (config.persons.is_on and _for_boxes(backbone)):
        return backbone.contract
    every = rate / exact_rate(config.persons.rate)
    if every.denominator != 1:
        raise ConfigError(
            f"persons.rate: {config.backbone.name} sees a clip about each key frame, so {config.frames.rate} frames a "
            f"second must be a multiple of {config.persons.rate} key frames a second"
        )
    return backbone.contract.on_key_frames(every.numerator)


def key_sampling(config: Config) -> KeySampling | None:
    """None if people are not looked for."""
    if not config.persons.is_on:
        return None
    wanted = persons.outline(config.persons.detector.name).picture
    size = Size(
        wanted.short_side, "squash" if wanted.square else "keep", long_side=wanted.long_side, enlarge=wanted.square
    )
    return KeySampling(exact_rate(config.persons.rate), size)


def halo(config: Config, backbone: Backbone, contract: Contract, step_s: float) -> tuple[int, int]:
    """Frames before and after a segment that its steps, its key frames and its cuts need."""
    if not config.persons.is_on:
        return contract.halo_before, max(0, contract.halo_after)
    beyond = _around(config, backbone, step_s).reach * contract.stride
    return max(contract.halo_before + beyond, CONTEXT), max(contract.halo_after + beyond, CONTEXT)


def _around(config: Config, backbone: Backbone, step_s: float) -> Around:
    return Around(step_s, 0.0 if _for_boxes(backbone) else config.persons.window_s)


def build_persons(config: Config, backbone: Backbone, step_s: float) -> Persons | None:
    """Of a resolved config; None if people are not looked for."""
    if not config.persons.is_on:
        return None
    detector = config.persons.detector
    return Persons(
        detector=detector.name,
        weights=detector.weights,
        boxes=None if detector.boxes is None else BoxFile(Path(detector.boxes)),
        min_score=detector.min_score,
        precision=config.backbone.precision,
        around=_around(config, backbone, step_s),
    )


def build_track(config: Config, backbone: Backbone) -> Track | None:
    """None if people are not looked for."""
    return Track(config.persons, single_label=not _for_boxes(backbone)) if config.persons.is_on else None


def person_class_names(config: Config, backbone: Backbone) -> tuple[str, ...] | None:
    """What labels of people are called, None if they are not looked for. Raises WeightsError."""
    if not config.persons.is_on:
        return None
    if config.persons.actions.weights is None:
        return tuple(backbone.contract.class_names)
    return load_head(Path(config.persons.actions.weights)).class_names


def person_digests(config: Config) -> dict[str, str]:
    """What determines boxes beside the settings: weights, or a file of boxes."""
    if config.persons.is_on and config.persons.detector.boxes is not None:
        return {"boxes_hash": boxes_in(Path(config.persons.detector.boxes)).digest}
    return detector_digests(config)


def detector_digests(config: Config) -> dict[str, str]:
    """The same where people are found, not given."""
    detector = config.persons.detector
    if not config.persons.is_on or detector.boxes is not None:
        return {}
    return {"person_weights_hash": weights.digest(detector.weights)}


def given_people(config: Config) -> Callable[[str], str] | None:
    """Hash of the people that a file of boxes gives for a video, by its key; None where they are found."""
    detector = config.persons.detector
    if not config.persons.is_on or detector.boxes is None:
        return None
    return BoxFile(Path(detector.boxes)).digest_of


def _for_boxes(backbone: Backbone) -> bool:
    return hasattr(backbone, "roi_head")
