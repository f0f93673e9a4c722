"""What a training leaves in one file: tensors, and one text that tells what they are; nothing in it is ever run."""

import json
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from detectors.checkpoints import MALFORMED
from detectors.errors import WeightsError


def save_model(path: Path, form: str, about: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
    """Whole or not at all; `form` tells files of one kind and version from all others. Raises OSError."""
    temp = path.with_name(f".{path.name}.tmp")
    with temp.open("wb") as file:
        torch.save({"format": form, "about": json.dumps(about), "state": dict(state)}, file)
    temp.replace(path)


def load_model(path: Path, form: str, what: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What the text tells, and the tensors. Raises WeightsError with one line if the file is no such `what`."""
    try:
        with warnings.catch_warnings(action="ignore"):  # torch's, on what it then refuses
            content = torch.load(path, map_location="cpu", weights_only=True)
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:  # torch itself does not look at checksums
                raise ValueError("a checksum is wrong")
        if not isinstance(content, dict) or content.get("format") != form:
            raise WeightsError(f"{path} is not a {what} that `run.py train` of this version made")
        about, state = json.loads(content["about"]), dict(content["state"])
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}") from None
    except WeightsError:
        raise
    except (*MALFORMED, zipfile.BadZipFile, zlib.error):
        raise WeightsError(f"{path} is not a {what} that `run.py train` made, or it is damaged") from None
    return about, state
