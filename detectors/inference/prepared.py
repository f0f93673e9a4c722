"""A backbone made ready for inference on one device: folded, in one precision, frames uploaded, results fetched.

Shape letters: N runs or clips, T frames, H rows, W columns, S steps, C feature channels, K classes, A samples of sound
beside a frame.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from detectors.backbones.contract import Backbone, Contract
from detectors.dense.carry import Carry
from detectors.dense.form import Dense
from detectors.memory_format import channels_last

Precision = Literal["auto", "fast", "float32", "bfloat16"]
Compile = Literal["off", "default", "reduce-overhead"]  # the modes of torch.compile; the last one uses CUDA graphs

MOST_SHAPES = 64  # compiled for; pictures of yet another size run uncompiled


class Steps(NamedTuple):
    """Consecutive steps of a run, float32."""

    features_SC: np.ndarray
    logits_SK: np.ndarray | None  # None: the network classifies boxes only
    maps_SCHW: np.ndarray | None = None  # None unless asked for


def compute_dtype(device: torch.device | str, precision: Precision) -> torch.dtype:
    """auto: bfloat16 on a GPU, float32 on a CPU; fast: bfloat16 on a CPU with matrix units for it (AMX) too."""
    if precision in ("float32", "bfloat16"):
        return torch.float32 if precision == "float32" else torch.bfloat16
    cpu_has: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()  # older torch tells nothing
    has_units = torch.device(device).type == "cuda" or (precision == "fast" and cpu_has.get("amx_bf16", False))
    return torch.bfloat16 if has_units else torch.float32


class Inference:
    """Runs a backbone: a dense one in its dense form, another as it is. The backbone is for inference from then on."""

    def __init__(
        self,
        backbone: Backbone,
        *,
        device: torch.device | str = "cpu",
        precision: Precision = "auto",
        compile_mode: Compile = "off",
        contract: Contract | None = None,
    ) -> None:
        """`contract`: how it is run, if not as it asks for."""
        self.contract = contract or backbone.contract
        self.device = torch.device(device)
        self.dtype = compute_dtype(device, precision)
        # The head stays float32: it costs nothing and decides the scores.
        self.head = None if backbone.head is None else backbone.head.eval().requires_grad_(False).to(self.device)
        self._mean = torch.tensor(self.contract.mean, device=device).view(1, 3, 1, 1, 1) * 255
        self._std = torch.tensor(self.contract.std, device=device).view(1, 3, 1, 1, 1) * 255
        on_gpu = self.device.type == "cuda"
        self._uploads = torch.cuda.Stream(self.device) if on_gpu else None  # type: ignore[no-untyped-call]
        self._dense: Callable[[Tensor, Carry], Tensor] | None = None
        if self.contract.dense:
            assert backbone.trunk is not None
            dense = Dense(backbone.trunk, self.dtype).to(self.device)
            self._dense = dense if compile_mode == "off" else _CompiledDense(dense, compile_mode)
        else:
            backbone = channels_last(backbone.eval().requires_grad_(False).to(self.device))
            self._encode = backbone.encode if compile_mode == "off" else _compile(backbone.encode, compile_mode)

    def upload(self, frames_THWC: np.ndarray) -> Tensor:
        """Frames (1, 3, T, H, W) on the device, normalised; copied there beside the computing of the chunk before."""
        frames = torch.from_numpy(np.ascontiguousarray(frames_THWC))
        if self._uploads is not None:
            computing = torch.cuda.current_stream(self.device)
            with torch.cuda.stream(self._uploads):
                frames = frames.pin_memory().to(self.device, non_blocking=True)
            computing.wait_stream(self._uploads)
            frames.record_stream(computing)
        frames_NCTHW = frames.permute(3, 0, 1, 2)[None]  # channels_last_3d as it lies
        return ((frames_NCTHW - self._mean) / self._std).to(self.dtype)

    def run_map(self, frames_NCTHW: Tensor, carry: Carry) -> Tensor:
        """The steps of the map (N, C, S, h, w) of dense runs that are complete by now."""
        assert self._dense is not None
        return self._dense(frames_NCTHW, carry)

    @torch.inference_mode()
    def run_chunk(self, frames_THWC: np.ndarray, carry: Carry, *, maps: bool = False) -> "Fetched":
        """The steps of a dense run that are complete by now."""
        map_NCSHW = self.run_map(self.upload(frames_THWC), carry)
        features_SC = map_NCSHW[0].mean(dim=(2, 3), dtype=torch.float32).transpose(0, 1)
        return self._fetched(features_SC, map_NCSHW[0].transpose(0, 1) if maps else None)

    @torch.inference_mode()
    def run_windows(
        self, frames_THWC: np.ndarray, sound_TA: np.ndarray | None = None, *, maps: bool = False
    ) -> "Fetched":
        """A step for every window of clip_frames frames, one every stride frames. `sound_TA` is for one that hears."""
        frames_CTHW, clip, stride = self.upload(frames_THWC)[0], self.contract.clip_frames, self.contract.stride
        starts = range(0, frames_CTHW.shape[1] - clip + 1, stride)
        inputs = [torch.stack([frames_CTHW[:, start : start + clip] for start in starts])]
        if sound_TA is not None:
            sound = torch.from_numpy(sound_TA).to(self.device)  # as it is: what is quiet needs all of float32
            inputs.append(torch.stack([sound[start : start + clip] for start in starts]))
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not torch.float32):
            encoded = self._encode(*inputs)
        return self._fetched(encoded.features_NC.float(), encoded.map_NCSHW.mean(dim=2) if maps else None)

    def _fetched(self, features_SC: Tensor, maps_SCHW: Tensor | None) -> "Fetched":
        return Fetched(features_SC, None if self.head is None else self.head(features_SC), maps_SCHW)


class Fetched:
    """Results on their way from the device."""

    def __init__(self, *results: Tensor | None) -> None:
        self._results = [None if one is None else one.float().to("cpu", non_blocking=True) for one in results]
        self._arrived = None
        if any(one is not None and one.is_cuda for one in results):
            self._arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._arrived.record()

    def steps(self) -> Steps:
        """Waits for them."""
        if self._arrived is not None:
            self._arrived.synchronize()
        return Steps(*(None if one is None else one.numpy() for one in self._results))  # type: ignore[arg-type]


def _compile(function: Callable[..., Any], mode: Compile) -> Callable[..., Any]:
    """For one shape after another: an archive may hold pictures of many sizes."""
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, MOST_SHAPES)
    return torch.compile(function, mode=mode, dynamic=False)


class _CompiledDense:
    """The dense form, compiled for chunks in the middle of a run, whose shapes repeat; a run's ends go uncompiled."""

    def __init__(self, dense: Dense, mode: Compile) -> None:
        self.dense = dense
        self.graphs = mode == "reduce-overhead"
        self._step = _compile(self._pure, mode)

    def __call__(self, x_NCTHW: Tensor, carry: Carry) -> Tensor:
        length, before = x_NCTHW.shape[2], carry.phase
        if carry.steady_length == length and not carry.last:
            return self._in_the_middle(x_NCTHW, carry)
        map_NCSHW: Tensor = self.dense(x_NCTHW, carry)
        carry.steady_length = length if carry.phase == before else None
        return map_NCSHW

    def _in_the_middle(self, x_NCTHW: Tensor, carry: Carry) -> Tensor:
        keys = tuple(carry.held)
        map_NCSHW, *held = self._step(x_NCTHW, carry.to_drop, keys, *carry.held.values())
        if self.graphs:  # the next replay writes over what this one gave
            map_NCSHW, held = map_NCSHW.clone(), [one.clone() for one in held]
        carry.held = dict(zip(keys, held, strict=True))
        result_NCSHW: Tensor = map_NCSHW
        return result_NCSHW

    def _pure(
        self, x_NCTHW: Tensor, to_drop: dict[str, int], keys: tuple[str, ...], *held: Tensor
    ) -> tuple[Tensor, ...]:
        carry = Carry()
        carry.to_drop = dict(to_drop)  # as it comes out too
        carry.held = dict(zip(keys, held, strict=True))
        map_NCSHW = self.dense(x_NCTHW, carry)
        return map_NCSHW, *(carry.held[key] for key in keys)
