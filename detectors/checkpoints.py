"""Checkpoints into networks: by an explicit map of keys, every tensor accounted for, nothing in the file ever run."""

import pickle
import re
import struct
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from detectors.errors import WeightsError

LAYOUTS = ("native", "torchvision", "pytorchvideo", "pyslowfast")
COUNTER = "num_batches_tracked"  # of a batch norm; older files lack it
NAMED = 8  # keys that a message names of each kind
# What torch.load raises on bytes that are no checkpoint, or not all of one.
MALFORMED = (
    pickle.UnpicklingError,
    struct.error,
    RuntimeError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    MemoryError,
)
ASKED_FOR = re.compile(r"GLOBAL ([\w.]+)")  # in what torch.load says of code it refuses


def load_file(module: nn.Module, path: Path) -> None:
    """Fill a network from a checkpoint in whatever layout it knows. Raises WeightsError naming what does not fit."""
    state = read_state(path)
    layouts = {layout: wanted for layout in LAYOUTS if (wanted := keys_in(module, layout)) is not None}
    layout = max(layouts, key=lambda layout: len(set(layouts[layout].values()) & state.keys()))
    try:
        load_state(module, state, layout)
    except ValueError as error:
        raise WeightsError(f"{path}: {error}") from None


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by key; `model_state` and `state_dict` are looked into. Raises WeightsError."""
    try:
        with warnings.catch_warnings(action="ignore"):  # torch's, on what it then refuses
            content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}") from None
    except MALFORMED as error:
        # Not in torch's own words: those advise to run the code.
        asked_for = ASKED_FOR.search(str(error))
        reason = f"it asks for {asked_for[1]}, which is refused" if asked_for else "it is damaged, or something else"
        raise WeightsError(f"{path} is not a checkpoint of tensors alone: {reason}") from None
    for name in ("model_state", "state_dict"):
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
    if not isinstance(content, Mapping) or not all(map(_is_named_tensor, content.items())):
        raise WeightsError(f"{path} holds no state dict: a mapping of names to tensors was expected")
    return dict(content)


def _is_named_tensor(item: tuple[Any, Any]) -> bool:
    """Of plain numbers, that is: neither sparse nor quantised nor complex, and there at all."""
    name, value = item
    if not isinstance(name, str) or not isinstance(value, Tensor):
        return False
    return value.layout is torch.strided and not (value.is_quantized or value.is_meta or value.is_complex())


def keys_in(module: nn.Module, layout: str) -> dict[str, str] | None:
    """Our keys to those of a layout, None if the network does not know it."""
    key_in = getattr(module, "key_in", None)
    if key_in is None:
        return {key: key for key in module.state_dict()} if layout == "native" else None
    try:
        return {key: key_in(layout, key) for key in module.state_dict()}
    except (ValueError, KeyError):
        return None


def load_state(module: nn.Module, state_dict: Mapping[str, Tensor], layout: str = "native") -> None:
    """Copy a state dict in, or change nothing: ValueError lists what is missing, unknown or of another shape.

    Layouts: native (this project's own keys), torchvision, pytorchvideo, pyslowfast, as far as the network knows them.
    """
    keys = keys_in(module, layout)
    if keys is None:
        known = ", ".join(name for name in LAYOUTS if keys_in(module, name) is not None)
        raise ValueError(f"{type(module).__name__} cannot be read from layout {layout!r}; it knows {known}")
    own = module.state_dict()
    missing = [theirs for ours, theirs in keys.items() if theirs not in state_dict and not ours.endswith(COUNTER)]
    unknown = sorted(state_dict.keys() - keys.values())
    misshapen = [
        f"{theirs} {tuple(state_dict[theirs].shape)}, expected {tuple(own[ours].shape)}"
        for ours, theirs in keys.items()
        if theirs in state_dict and state_dict[theirs].shape != own[ours].shape
    ]
    faults = {"missing": missing, "unknown": unknown, "of another shape": misshapen}
    told = [f"{len(found)} {kind}: {_some(found)}" for kind, found in faults.items() if found]
    if told:
        raise ValueError(f"not a {layout} checkpoint of this {type(module).__name__}: {'; '.join(told)}")
    with torch.no_grad():
        for ours, theirs in keys.items():
            if theirs in state_dict:
                own[ours].copy_(state_dict[theirs])


def _some(names: list[str]) -> str:
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")


def state_in(module: nn.Module, layout: str) -> dict[str, Any]:
    """The network's own state under the keys of a layout."""
    keys = keys_in(module, layout)
    if keys is None:
        raise ValueError(f"{type(module).__name__} cannot be written in layout {layout!r}")
    return {keys[key]: tensor for key, tensor in module.state_dict().items()}
