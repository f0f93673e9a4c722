"""Find actions in one video's features, block by block. Knows no file of a video and no engine."""

from collections.abc import Iterable, Sequence
from math import ceil
from pathlib import Path
from typing import Any, Protocol

from torch import nn

from detectors.nms import nms_1d
from detectors.temporal import LOCALIZERS
from detectors.temporal.trained import load_trained
from pipeline.localizer_settings import LocalizerSettings, NmsSettings
from pipeline.records import Detections, FeatureSequence, Span


class Localizer(Protocol):
    """Classified spans before suppression; `blocks` are consecutive and may be read more than once."""

    def __call__(
        self, blocks: Iterable[FeatureSequence], *, duration_s: float | None, lost: Sequence[Span]
    ) -> Detections: ...


class Localize:
    """Turn one video's features into classified spans: propose, classify, suppress."""

    def __init__(self, settings: LocalizerSettings) -> None:
        self.settings = settings

    def setup(self) -> None:
        """Raises WeightsError."""
        weights = self.settings.weights
        self.use(None if weights is None else load_trained(Path(weights)).network())

    def use(self, network: nn.Module | None, device: str = "cpu") -> "Localize":
        """Set up with a network that is at hand, as in training; None for a localizer that is not trained."""
        own = getattr(self.settings, self.settings.name).model_dump(exclude={"network"})
        make: Any = LOCALIZERS[self.settings.name]
        self.detector: Localizer = make(**own) if network is None else make(network, **own, device=device)
        return self

    def __call__(self, blocks: Iterable[FeatureSequence], duration_s: float, lost: Sequence[Span]) -> Detections:
        """Actions are not looked for in `lost` spans."""
        detections = self.detector(blocks, duration_s=duration_s, lost=lost)
        return suppress(detections, self.settings.nms, duration_s)


def suppress(detections: Detections, nms: NmsSettings, duration_s: float) -> Detections:
    """Temporal NMS; a video of several hours may keep that many times more."""
    spans_N2, scores_N, labels_N = nms_1d(
        detections.spans_N2,
        detections.scores_N,
        detections.labels_N,
        method=nms.method,
        iou_threshold=nms.iou_threshold,
        sigma=nms.sigma,
        min_score=nms.min_score,
        max_detections=nms.max_detections * max(1, ceil(duration_s / 3600)),
        vote_iou=nms.vote_iou,
        class_wise=nms.class_wise,
    )
    assert labels_N is not None  # as they went in
    return Detections(spans_N2, labels_N, scores_N)
