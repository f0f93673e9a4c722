"""Read a pickle of nested dicts of numpy arrays, and nothing else: a pickle may otherwise run any code."""

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy._core import multiarray

from detectors.errors import WeightsError

PLAIN_DTYPE = re.compile(r"[biufc]\d{1,2}")
# What the unpickler raises on bytes that are no pickle, or not all of one.
MALFORMED = (pickle.UnpicklingError, EOFError, ValueError, TypeError, LookupError, AttributeError, MemoryError)


def load_numpy_pickle(path: Path) -> dict[str, Any]:
    """Nested dicts whose leaves are arrays or scalars of plain numbers. Raises WeightsError for anything else."""
    try:
        with path.open("rb") as file:
            content = _ArraysOnly(file).load()
    except MALFORMED as error:
        raise WeightsError(f"{path} is not a pickle of dicts of arrays: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise WeightsError(f"{path} is not a pickle of dicts of arrays: it holds a {type(content).__name__}")
    return content


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        admitted = ADMITTED.get((module.replace("numpy.core.", "numpy._core."), name))
        if admitted is None:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is refused")
        return admitted


def _empty_array(*_: object) -> np.ndarray:
    """As numpy's own _reconstruct, for plain arrays; the pickle fills in shape and bytes by __setstate__."""
    return np.empty(0, np.uint8)


def _dtype(code: str, *_: object) -> np.dtype:
    """Numbers only: a dtype of objects over bytes of the file's choice would be forged pointers."""
    if not PLAIN_DTYPE.fullmatch(code):
        raise pickle.UnpicklingError(f"it asks for dtype {code!r}, which is refused")
    return np.dtype(code, align=False, copy=True)


def _from_buffer(buffer: bytes, dtype: np.dtype, shape: tuple[int, ...], order: Literal["C", "F"]) -> np.ndarray:
    """As numpy's own _frombuffer, which protocol 5 uses."""
    return np.frombuffer(buffer, dtype).reshape(shape, order=order)


# By numpy 2's module names. ndarray is only ever an argument here: called, it too would take any bytes for objects.
ADMITTED: dict[tuple[str, str], Callable[..., Any] | str] = {
    ("numpy", "ndarray"): "numpy.ndarray",
    ("numpy", "dtype"): _dtype,
    ("numpy._core.multiarray", "_reconstruct"): _empty_array,
    ("numpy._core.multiarray", "scalar"): multiarray.scalar,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
}
