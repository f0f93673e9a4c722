"""What comes of fine-tuning: a backbone file and a detector for it, kept if validation says they are no worse."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from annotations.activitynet import write_activitynet
from detectors import backbones, weights
from detectors.backbones.contract import Backbone
from detectors.backbones.trained import save_trained_backbone
from detectors.checkpoints import state_in
from detectors.temporal.trained import Trained, load_trained, save_trained
from evaluation.temporal import temporal_map
from pipeline.contracts import FeatureStages
from pipeline.errors import StopRun, VideoError
from pipeline.extract import Extracted
from pipeline.records import Source, Video
from pipeline.settings import Config
from pipeline.tables import publish, storing
from stages.trained_backbone import trained_backbone_of
from training.collect import Splits
from training.finetune import EndToEnd, run_finetuning
from training.loop import Told
from training.place import Place
from training.stretches import Stretches
from training.validate import found_in, truth_of
from training.videos import AnnotatedVideo, lesson_of

Extract = Callable[[Sequence[Source], Config], list[Extracted]]


@dataclass(frozen=True, slots=True)
class Finetuned:
    """Validation mAP of the detector as it was and after fine-tuning; which of them the model holds."""

    before: float
    after: float
    kept: bool


def tune(config: Config, splits: Splits, place: Place, stages: FeatureStages, *, device: str, told: Told) -> EndToEnd:
    """Go on from the detector at its place, by the resolved config that it was trained with. Raises StopRun."""
    trained = load_trained(place.model)
    chosen = config.backbone
    backbone = backbones.load(chosen.name, weights.resolve(chosen.weights), **chosen.design.given)
    lessons = [lesson_of(video) for video in splits.training]
    videos = [_probed(stages, video) for video in splits.training]
    return run_finetuning(
        EndToEnd(backbone, trained.network(), blocks=config.training.finetune.blocks),
        Stretches(lessons, videos, stages, config.training),
        localizer=trained.name,
        num_classes=len(splits.class_names),
        settings=config.training,
        device=device,
        checkpoint=place.finetuning,
        identity=_identity(config, stages, trained),
        told=told,
    )


def keep_better(
    config: Config, splits: Splits, place: Place, tuned: EndToEnd, *, device: str, extract: Extract
) -> Finetuned:
    """Judge it by features that `extract` gives of the tuned backbone; it replaces a detector that is no better.

    Raises StopRun.
    """
    trained = load_trained(place.model)
    before = _average_map(config, splits, splits.validation, trained.network(), device)
    candidate = place.folder / place.backbone.name
    _save_backbone(config, tuned.backbone, candidate)
    validation = _again(splits, _with_weights(config, candidate), extract)
    after = _average_map(config, splits, validation, tuned.network, device)
    if after < before:
        candidate.unlink()
        return Finetuned(before, after, kept=False)
    with storing(place.model.parent):
        publish(candidate, place.backbone)
        save_trained(_retrained(trained, _with_weights(config, place.backbone), tuned, before, after), place.model)
        found = found_in(validation, tuned.network, config.localizer, splits.class_names, device)
        write_activitynet(found, place.validation)
    return Finetuned(before, after, kept=True)


def _probed(stages: FeatureStages, video: AnnotatedVideo) -> Video:
    assert video.source is not None
    try:
        return stages.probe(video.source)
    except VideoError as error:
        raise StopRun(f"{video.name} cannot be read any more: {error}") from None


def _again(splits: Splits, config: Config, extract: Extract) -> list[AnnotatedVideo]:
    """The validation videos with features by another config; the training videos' are put into the cache as well."""
    videos = [*splits.validation, *splits.training]
    extracted = extract([video.source for video in videos if video.source is not None], config)
    again = []
    for video, one in zip(videos, extracted, strict=True):
        if one.features is None:
            reason = "; ".join(failure.message for failure in one.failures[:1])
            raise StopRun(f"{video.name} has no features of the fine-tuned backbone: {reason}")
        again.append(replace(video, blocks=one.features.blocks))
    return again[: len(splits.validation)]


def _average_map(
    config: Config, splits: Splits, validation: Sequence[AnnotatedVideo], network: nn.Module, device: str
) -> float:
    found = found_in(validation, network, config.localizer, splits.class_names, device)
    truth = truth_of(validation, splits.class_names)
    return float(temporal_map(truth, found, config.training.tious).average_map)


def _with_weights(config: Config, path: Path) -> Config:
    """The full path, which means the same on every worker."""
    backbone = config.backbone.model_copy(update={"weights": str(path.resolve())})
    return config.model_copy(update={"backbone": backbone})


def _save_backbone(config: Config, backbone: Backbone, path: Path) -> None:
    """In the form that it came in: with its classes and design, if it was trained here before."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in state_in(backbone, "native").items()}
    if (before := trained_backbone_of(config)) is not None:
        with storing(path.parent):
            save_trained_backbone(replace(before, state=state), path)
        return
    temp = path.with_name(f".{path.name}.tmp")
    with storing(path.parent):
        with temp.open("wb") as file:
            torch.save(state, file)
        publish(temp, path)


def _retrained(trained: Trained, config: Config, tuned: EndToEnd, before: float, after: float) -> Trained:
    features = replace(
        trained.features,
        backbone_digest=weights.digest(config.backbone.weights),
        backbone=config.backbone.model_dump(mode="json"),
    )
    finetuned = {**config.training.finetune.model_dump(mode="json"), "average_map_before": before}
    provenance = {**trained.provenance, "average_map": after, "finetuned": finetuned}
    state = {name: tensor.detach().cpu().clone() for name, tensor in tuned.network.state_dict().items()}
    return replace(trained, features=features, provenance=provenance, state=state)


def _identity(config: Config, stages: FeatureStages, trained: Trained) -> str:
    """Hash of all that determines the weights: the detector as it was holds what it was trained on."""
    settings = config.training.model_dump_json(exclude={"clips"})
    digest = hashlib.sha256(f"{stages.features_hash} {settings}".encode())
    for name, tensor in trained.state.items():
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
