"""From a config to the stages of a run: the one place where names in a config choose networks."""

from collections.abc import Mapping
from fractions import Fraction

import torch

import pipeline
from detectors import backbones, weights
from detectors.backbones.contract import Contract
from detectors.temporal import LOCALIZERS
from pipeline.config import Config, ConfigError
from pipeline.contracts import Stages
from pipeline.results import Results
from stages.decode import Decode, Sampling
from stages.features import Features
from stages.localize import Localize
from stages.probe import Probe
from stages.write import Write


def build_stages(config: Config, results: Results, run_id: str) -> Stages:
    """Raises ConfigError where the config names something that does not exist or does not fit."""
    contract = _contract(config)
    rate = Fraction(config.frames.rate).limit_denominator(1001)
    step_s = float(contract.stride / rate)
    return Stages(
        probe=Probe(),
        decode=Decode(_sampling(config, contract, rate)),
        features=Features(
            backbone=config.backbone.name,
            weights=config.backbone.weights,
            precision=config.backbone.precision,
            device=config.engine.device,
            step_s=step_s,
        ),
        localize=Localize(config.localizer),
        write=Write(
            results,
            class_names=contract.class_names,
            metadata=provenance(config),
            run_id=run_id,
            features=config.output.features,
        ),
        step_s=step_s,
    )


def provenance(config: Config) -> dict[str, str]:
    """What a table's metadata tells of where it comes from. Raises ConfigError."""
    try:
        weights_hash = weights.digest(config.backbone.weights)
    except weights.WeightsError as error:
        raise ConfigError(f"backbone.weights: {error}") from None
    return {
        "config_hash": config.result_hash(weights_hash),
        "weights_hash": weights_hash,
        "software_version": pipeline.__version__,
    }


def _contract(config: Config) -> Contract:
    _known("backbone.name", config.backbone.name, backbones.BACKBONES)
    _known("localizer.name", config.localizer.name, LOCALIZERS)
    with torch.device("meta"):
        contract: Contract = backbones.create(config.backbone.name).contract
    return contract


def _known(field: str, name: str, choices: Mapping[str, type]) -> None:
    if name not in choices:
        raise ConfigError(f"{field}: unknown {name!r}; one of: {', '.join(sorted(choices))}")


def _sampling(config: Config, contract: Contract, rate: Fraction) -> Sampling:
    def whole_steps(frames: int) -> int:
        return -(-frames // contract.stride) * contract.stride

    return Sampling(
        rate=rate,
        halo_before=whole_steps(contract.halo_before),
        halo_after=contract.halo_after,
        chunk_frames=config.segments.chunk_frames,
        short_side=config.frames.short_side,
        fit=config.frames.fit,
        size_multiple=contract.size_multiple,
    )
