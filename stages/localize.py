"""Find actions in one video's features, block by block. Knows no file and no engine."""

from collections.abc import Iterable, Sequence
from math import ceil

from detectors.nms import nms_1d
from detectors.temporal import LOCALIZERS
from pipeline.records import Detections, FeatureSequence, Span
from pipeline.settings import LocalizerSettings, NmsSettings


class Localize:
    """Turn one video's features into classified spans: propose, classify, suppress."""

    def __init__(self, settings: LocalizerSettings) -> None:
        self.settings = settings

    def setup(self) -> None:
        own = getattr(self.settings, self.settings.name)
        self.detector = LOCALIZERS[self.settings.name](**own.model_dump())

    def __call__(self, blocks: Iterable[FeatureSequence], duration_s: float, lost: Sequence[Span]) -> Detections:
        """`blocks` are consecutive and may be read more than once; actions are not looked for in `lost` spans."""
        proposals = self.detector.propose(blocks, duration_s=duration_s, lost=lost)
        detections = self.detector.classify(blocks, proposals, lost=lost)
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
