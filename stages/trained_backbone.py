"""A config completed by a backbone trained here: its file fixes name, design and classes, and brings its frames."""

from pathlib import Path

from detectors.backbones.trained import TrainedBackbone, is_trained_backbone, load_trained_backbone
from detectors.weights import WeightsError
from pipeline.config import ConfigError
from pipeline.settings import BackboneSettings, Config, DesignSettings, FrameSettings
from stages.trained import fixed

_WHAT = "backbone"


def trained_backbone_of(config: Config) -> TrainedBackbone | None:
    """What `backbone.weights` names, if `train backbone` made it. Raises ConfigError."""
    path = Path(config.backbone.weights)
    if not path.is_file() or not is_trained_backbone(path):
        return None
    try:
        return load_trained_backbone(path)
    except WeightsError as error:
        raise ConfigError(f"backbone.weights: {error}") from None


def completed_by_backbone(config: Config) -> Config:
    """Frames may be others than it was trained on. Raises ConfigError where the config asks for another network."""
    trained = trained_backbone_of(config)
    if trained is None:
        return config
    own = config.backbone.model_dump(mode="json", exclude_unset=True)
    name = fixed("backbone", own, {"name": trained.name}, _WHAT)
    fixed("backbone.design", own.get("design", {}), trained.design, _WHAT)
    design = DesignSettings.model_validate(trained.design)
    frames = {field: trained.frames[field] for field in FrameSettings.model_fields if _is_open(config, field)}
    return config.model_copy(
        update={
            "backbone": BackboneSettings.model_validate(config.backbone.model_dump() | name | {"design": design}),
            "frames": config.frames.model_copy(update=frames),
        }
    )


def _is_open(config: Config, field: str) -> bool:
    return bool(getattr(config.frames, field) == "auto")
