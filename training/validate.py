"""What a network finds in the validation videos, as `detect` would, and what is there, in the form that is judged."""

from collections.abc import Sequence

import numpy as np
from torch import nn

from annotations.records import LabelledSpans
from pipeline.localizer_settings import LocalizerSettings
from stages.localize import Localize
from training.videos import AnnotatedVideo


def found_in(
    videos: Sequence[AnnotatedVideo],
    network: nn.Module,
    localizer: LocalizerSettings,
    class_names: Sequence[str],
    device: str,
) -> LabelledSpans:
    """What the network finds in each video."""
    localize = Localize(localizer).use(network, device)
    found = [localize(video.blocks, video.duration_s, video.lost) for video in videos]
    return LabelledSpans(
        videos=tuple(video.name for video in videos),
        labels=tuple(class_names),
        video_N=np.repeat(np.arange(len(videos)), [len(one) for one in found]),
        spans_N2=np.concatenate([np.zeros((0, 2)), *(one.spans_N2 for one in found)]),
        label_N=np.concatenate([np.zeros(0, np.int64), *(one.labels_N for one in found)]),
        scores_N=np.concatenate([np.zeros(0), *(one.scores_N for one in found)]),
    )


def truth_of(videos: Sequence[AnnotatedVideo], class_names: Sequence[str]) -> LabelledSpans:
    """What happens in each video."""
    return LabelledSpans(
        videos=tuple(video.name for video in videos),
        labels=tuple(class_names),
        video_N=np.repeat(np.arange(len(videos)), [len(video.labels_G) for video in videos]),
        spans_N2=np.concatenate([np.zeros((0, 2)), *(video.spans_s_G2 for video in videos)]),
        label_N=np.concatenate([np.zeros(0, np.int64), *(video.labels_G for video in videos)]),
    )
