"""The pictures that steps of a video see, and their features with gradients, as stages.features has them without.

Shape letters: N clips, C channels, T frames, H rows, W columns, S steps, A samples of sound beside a frame.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from detectors.backbones.contract import Backbone, Contract
from pipeline.contracts import Decode
from pipeline.errors import StopRun, VideoError
from pipeline.records import FrameChunk, Segment, Video


@dataclass(frozen=True, eq=False, slots=True)
class Footage:
    """Some steps of a video with the frames they see; those that are missing lie beyond the video's ends."""

    frames_THWC: np.ndarray  # uint8 RGB
    first_frame: int  # the number of the first one
    steps: range
    sound_TA: np.ndarray | None = None  # beside the frames, for a network that hears


def decoded(decode: Decode, video: Video, steps: range, *, step_s: float, stride: int) -> Footage:
    """Raises StopRun if the video cannot be read any more."""
    segment = Segment(video, 0, steps.start * step_s, steps.stop * step_s, is_last=False)
    try:
        chunks = [item for item in decode(segment) if isinstance(item, FrameChunk)]
    except VideoError as error:
        raise StopRun(f"{video.key}: {error}") from None
    if not chunks:
        raise StopRun(f"{video.key} has become shorter: it shows nothing from {segment.start_s:.1f} s on")
    first_frame = round(float(chunks[0].times_s[0]) / step_s * stride)
    sounds = [chunk.sound_TA for chunk in chunks if chunk.sound_TA is not None]
    frames_THWC = np.concatenate([chunk.frames_THWC for chunk in chunks])
    return Footage(frames_THWC, first_frame, steps, np.concatenate(sounds) if sounds else None)


def features_of(backbone: Backbone, footage: Footage, device: torch.device | str) -> Tensor:
    """Features (S, C) of the steps, float32."""
    contract = backbone.contract
    if not contract.dense:
        rows_NT = _windows(footage, contract)
        shown_NT = np.clip(rows_NT, 0, len(footage.frames_THWC) - 1)
        inputs = [_normalised(footage, shown_NT, contract, device)]
        if footage.sound_TA is not None:
            heard_NT1 = (rows_NT == shown_NT)[..., None]  # beyond the ends of a video there is silence
            inputs.append(torch.from_numpy(footage.sound_TA[shown_NT] * heard_NT1).to(device))
        return backbone.encode(*inputs).features_NC.float()
    assert backbone.trunk is not None
    map_NCSHW: Tensor = backbone.trunk(_normalised(footage, _run(footage, contract), contract, device))
    first = footage.steps.start - footage.first_frame // contract.stride
    own_CSHW = map_NCSHW[0, :, first : first + len(footage.steps)]
    return own_CSHW.mean(dim=(2, 3), dtype=torch.float32).T


def _run(footage: Footage, contract: Contract) -> np.ndarray:
    """Rows (1, T) of frames: all of them; at the end of a video its last frame fills the last step."""
    count = len(footage.frames_THWC)
    return np.minimum(np.arange(-(-count // contract.stride) * contract.stride), count - 1)[None]


def _windows(footage: Footage, contract: Contract) -> np.ndarray:
    """Rows (N, T) of frames, a clip around each step; beyond a video's ends there are none."""
    starts_N = np.array(footage.steps) * contract.stride - contract.halo_before - footage.first_frame
    rows_NT: np.ndarray = starts_N[:, None] + np.arange(contract.clip_frames)
    return rows_NT


def _normalised(footage: Footage, rows_NT: np.ndarray, contract: Contract, device: torch.device | str) -> Tensor:
    """(N, 3, T, H, W), channels last as they lie."""
    mean, std = (
        torch.tensor(colour, device=device).view(1, 3, 1, 1, 1) * 255 for colour in (contract.mean, contract.std)
    )
    frames_NCTHW = torch.from_numpy(footage.frames_THWC[rows_NT]).to(device).permute(0, 4, 1, 2, 3)
    return (frames_NCTHW - mean) / std
