"""From a config to the stages of a run: the one place where names in a config choose networks."""

from dataclasses import fields
from fractions import Fraction
from pathlib import Path

import pipeline
from annotations.key_frames import exact_rate
from detectors import backbones, weights
from detectors.backbones.contract import Backbone, Contract
from detectors.temporal import LOCALIZERS
from detectors.temporal.networks import NETWORKS
from detectors.temporal.trained import Trained
from pipeline.config import ConfigError
from pipeline.contracts import FeatureStages, Stages
from pipeline.feature_cache import FOLDER
from pipeline.localizer_settings import OFF
from pipeline.results import ResultsFolder
from pipeline.settings import Config, Sampled
from stages.build_persons import (
    build_persons,
    build_track,
    check_detector,
    contract_for,
    detector_digests,
    given_people,
    halo,
    key_sampling,
    person_class_names,
    person_digests,
    resolve_persons,
)
from stages.decode import Decode, Sampling
from stages.features import Features
from stages.localize import Localize
from stages.names import check_known, named_weights
from stages.picture import Size
from stages.probe import Probe
from stages.trained import check_backbone, completed, trained_of
from stages.trained_backbone import completed_by_backbone, trained_backbone_of
from stages.trained_head import completed_by_head, head_of
from stages.write import Write


def build_stages(config: Config, results: ResultsFolder, run_id: str) -> Stages:
    """Raises ConfigError where the config names something that does not exist or does not fit."""
    trained = trained_of(config)
    config = _completed(config, trained)
    class_names = _class_names(config, trained)
    vision = build_feature_stages(config)
    config = vision.config
    backbone = _backbone(config)
    return Stages(
        **{field.name: getattr(vision, field.name) for field in fields(vision)},
        localize=None if config.localizer.name == OFF else Localize(config.localizer),
        track=build_track(config, backbone),
        write=Write(
            results,
            class_names=class_names,
            person_class_names=person_class_names(config, backbone),
            metadata=provenance(config),
            run_id=run_id,
            features=config.output.features,
        ),
    )


def build_feature_stages(config: Config) -> FeatureStages:
    """Of any backbone, with class scores or without. Raises ConfigError."""
    config = completed_by_backbone(config)
    backbone = _backbone(config)
    config = _resolved(config, backbone)
    rate = exact_rate(config.frames.sampled.rate)
    contract = contract_for(config, backbone, rate)
    step_s = float(contract.stride / rate)
    digests = [weights.digest(config.backbone.weights), *detector_digests(config).values()]
    return FeatureStages(
        config=config,
        probe=Probe(),
        decode=Decode(_sampling(config, backbone, contract, rate)),
        features=Features(
            backbone=config.backbone.name,
            weights=config.backbone.weights,
            design=config.backbone.design.given,
            precision=config.backbone.precision,
            compile_mode=config.engine.compile,
            device=config.engine.device,
            compute_frames=config.engine.compute_frames,
            contract=contract,
            step_s=step_s,
            persons=build_persons(config, backbone, step_s),
        ),
        step_s=step_s,
        features_hash=config.features_hash(" ".join(digests)),
        cache=weights.cache_folder() / FOLDER,
        given=given_people(config),
    )


def resolve(config: Config) -> Config:
    """The config with all that is left to the backbone filled in. Raises ConfigError where they do not fit.

    Weights in a file of the user's are tried out here and now: workers would tell much later.
    """
    trained = trained_of(config)
    config = _completed(config, trained)
    _class_names(config, trained)
    return resolve_features(config)


def needed_weights(config: Config) -> dict[str, str]:
    """Of a resolved config: what its networks load, a name or a file or random, by the setting that says so."""
    needed = {"backbone.weights": config.backbone.weights}
    if config.persons.is_on and config.persons.detector.boxes is None:
        needed["persons.detector.weights"] = config.persons.detector.weights
    return needed


def resolve_features(config: Config) -> Config:
    """The same for what determines features."""
    config = completed_by_backbone(config)
    config = _resolved(config, _backbone(config))
    path = Path(config.backbone.weights)
    if path.is_file():
        try:
            backbones.load(config.backbone.name, path, **config.backbone.design.given)
        except weights.WeightsError as error:
            raise ConfigError(f"backbone.weights: {error}") from None
        except ValueError as error:  # of a library that is not installed
            raise ConfigError(f"backbone.design: {error}") from None
    check_detector(config)
    return config


def provenance(config: Config) -> dict[str, str]:
    """What a table's metadata tells of where it comes from."""
    hashes = {"weights_hash": weights.digest(config.backbone.weights), **person_digests(config)}
    if config.localizer.weights is not None:
        hashes["detector_hash"] = weights.digest(config.localizer.weights)
    if config.persons.is_on and config.persons.actions.weights is not None:
        hashes["head_hash"] = weights.digest(config.persons.actions.weights)
    config_hash = config.result_hash(" ".join(hashes.values()))
    return {"config_hash": config_hash, **hashes, "software_version": pipeline.__version__}


def _completed(config: Config, trained: Trained | None) -> Config:
    """With what trained files fix filled in: a detector, a head of people, a backbone."""
    return completed_by_backbone(completed_by_head(completed(config, trained), head_of(config)))


def _backbone(config: Config) -> Backbone:
    """The network without memory for its weights. Raises ConfigError."""
    check_known("backbone.name", config.backbone.name, backbones.BACKBONES)
    trained = trained_backbone_of(config)
    own = {} if trained is None else {"class_names": trained.class_names}
    try:
        return backbones.outline(config.backbone.name, **config.backbone.design.given, **own)
    except ValueError as error:
        raise ConfigError(f"backbone.design: {error}") from None


def _class_names(config: Config, trained: Trained | None) -> tuple[str, ...]:
    """What the localizer's labels are called. Raises ConfigError where it and the backbone do not fit."""
    backbone = _backbone(config)
    if trained is not None:
        check_backbone(trained.features, weights.digest(_resolved(config, backbone).backbone.weights))
        return trained.class_names
    check_known("localizer.name", config.localizer.name, (*LOCALIZERS, OFF))
    if config.localizer.name == OFF:
        if not config.persons.is_on:
            raise ConfigError("localizer.name: it is off and persons are too, so there is nothing to look for")
        return ()
    if config.localizer.name in NETWORKS:
        raise ConfigError(
            f"localizer.weights: {config.localizer.name} must be trained first (run.py train); "
            "give the file that came of it"
        )
    if backbone.head is None:
        raise ConfigError(
            f"localizer.name: {config.localizer.name} needs class scores of whole pictures, "
            f"and {config.backbone.name} scores boxes only; choose another backbone.name, "
            f"or {OFF} and people alone (persons: on)"
        )
    return tuple(backbone.contract.class_names)


def _resolved(config: Config, backbone: Backbone) -> Config:
    name, contract = config.backbone.name, backbone.contract
    asked_for = Sampled(contract.rate, contract.short_side, "squash" if contract.square else "keep")
    config = config.resolved(
        asked_for, named_weights("backbone.weights", config.backbone.weights, backbones.PUBLISHED[name], name)
    )
    if contract.square and config.frames.fit == "keep":
        raise ConfigError(f"frames.fit: {name} takes square pictures only: crop or squash")
    if contract.square and config.frames.short_side != contract.short_side:
        raise ConfigError(f"frames.short_side: {name} takes pictures of {contract.short_side} pixels only")
    if contract.sound_per_frame and config.frames.rate != contract.rate:
        raise ConfigError(f"frames.rate: {name} hears, and knows sound beside {contract.rate:g} frames a second only")
    return resolve_persons(config, backbone)


def _sampling(config: Config, backbone: Backbone, contract: Contract, rate: Fraction) -> Sampling:
    _, short_side, fit = config.frames.sampled
    before, after = halo(config, backbone, contract, float(contract.stride / rate))
    return Sampling(
        rate=rate,
        halo_before=-(-before // contract.stride) * contract.stride,  # whole steps keep their phase
        halo_after=after,
        chunk_frames=config.segments.chunk_frames,
        size=Size(short_side, fit, contract.size_multiple),
        key_frames=key_sampling(config),
        sound_per_frame=contract.sound_per_frame,
    )
