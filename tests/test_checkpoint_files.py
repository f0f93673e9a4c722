"""Files of checkpoints: read in whatever layout they come, refused in one line, and nothing in them ever run."""

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from networks import assert_numbered, assert_unfilled, numbered, outline, small, unfilled
from torch import Tensor, nn

from detectors.checkpoints import load_file, read_state
from detectors.errors import WeightsError

pytestmark = pytest.mark.usefixtures("one_thread")

SLOWFAST, DETECTION = "slowfast_r50_8x8", "slowfast_r50_8x8_detection"
DAMAGED = "is not a checkpoint of tensors alone: it is damaged, or something else"


@pytest.mark.parametrize(
    ("name", "layout", "wrap"),
    [
        (SLOWFAST, "native", ""),
        (SLOWFAST, "pytorchvideo", ""),
        (SLOWFAST, "pytorchvideo", "model_state"),
        (SLOWFAST, "pyslowfast", "state_dict"),
        ("mc3_18", "native", "state_dict"),
        ("mc3_18", "torchvision", ""),
        ("mc3_18", "torchvision", "model_state"),
    ],
)
def test_a_file_is_read_in_its_own_layout_wherever_it_keeps_the_tensors(
    name: str, layout: str, wrap: str, tmp_path: Path
) -> None:
    state = numbered(outline(name), layout)
    torch.save({wrap: state} if wrap else state, tmp_path / "file.pth")
    network = unfilled(name)
    load_file(network, tmp_path / "file.pth")
    assert_numbered(network)


@pytest.mark.parametrize("zipped", [True, False], ids=["zipped", "as torch saved before 1.6"])
def test_a_file_as_pyslowfast_trains_it_is_read(zipped: bool, tmp_path: Path) -> None:
    content = {
        "epoch": 1,
        "model_state": numbered(outline(DETECTION), "pyslowfast"),
        "optimizer_state": {"state": {0: {"momentum_buffer": torch.ones(3)}}, "param_groups": [{"lr": 0.1}]},
        "cfg": "NUM_GPUS: 8\n",
    }
    torch.save(content, tmp_path / "epoch_1.pyth", _use_new_zipfile_serialization=zipped)
    network = unfilled(DETECTION)
    load_file(network, tmp_path / "epoch_1.pyth")
    assert_numbered(network)


def test_half_precision_is_widened(tmp_path: Path) -> None:
    network = small()
    torch.save({key: tensor.half() for key, tensor in numbered(network).items()}, tmp_path / "half.pth")
    load_file(network, tmp_path / "half.pth")
    assert_numbered(network)
    assert network.state_dict()["0.weight"].dtype is torch.float32


def test_a_file_of_another_network_is_refused_naming_the_file_and_the_layout_it_comes_closest_to(
    slowfast_8x8: nn.Module, tmp_path: Path
) -> None:
    path = tmp_path / "other.pth"
    torch.save(numbered(outline("slowfast_r50_4x16"), "pytorchvideo"), path)
    with pytest.raises(
        WeightsError, match=rf"^{re.escape(str(path))}: not a pytorchvideo checkpoint of this SlowFast: 4 of another"
    ):
        load_file(slowfast_8x8, path)
    torch.save(numbered(small()), path)
    with pytest.raises(
        WeightsError, match=rf"^{re.escape(str(path))}: not a native checkpoint of this SlowFast: \d+ missing: .* more"
    ):
        load_file(slowfast_8x8, path)
    assert_unfilled(slowfast_8x8)


class MakesAFolder:
    """What its unpickling runs."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.mkdir, (self.path,)


def pickled(content: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(content, protocol=2))


@pytest.mark.parametrize("write", [torch.save, pickled], ids=["by torch", "a bare pickle"])
@pytest.mark.parametrize("place", ["model_state", "cfg"])
def test_a_file_with_code_is_refused_and_the_code_not_run(
    write: Callable[[object, Path], None], place: str, tmp_path: Path
) -> None:
    path, sign = tmp_path / "code.pth", tmp_path / "the code ran"
    write({"model_state": {}, place: MakesAFolder(sign)}, path)
    with pytest.raises(WeightsError) as refused:
        load_file(small(), path)
    assert not sign.exists()
    assert re.fullmatch(
        rf"{path} is not a checkpoint of tensors alone: it asks for [\w.]+, which is refused", str(refused.value)
    )
    pickle.loads(pickle.dumps(MakesAFolder(sign)))
    assert sign.exists()  # it would have


def saved(zipped: bool) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        torch.save(small().state_dict(), path, _use_new_zipfile_serialization=zipped)

    return write


def cut_short(zipped: bool) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        saved(zipped)(path)
        path.write_bytes(path.read_bytes()[:-100])

    return write


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: None, "cannot be read: No such file or directory"),
        (Path.mkdir, "cannot be read: Is a directory"),
        (Path.touch, DAMAGED),
        (
            lambda path: path.write_text("hello"),
            DAMAGED,
        ),
        (
            lambda path: path.write_text("<html>"),
            DAMAGED,
        ),
        (cut_short(True), DAMAGED),
        (cut_short(False), DAMAGED),
        (lambda path: torch.save(small(), path), "is not a checkpoint of tensors alone: it asks for torch.nn.modules."),
        (lambda path: torch.save([1, 2], path), "holds no state dict: a mapping of names to tensors was expected"),
        (lambda path: torch.save({1: torch.ones(1)}, path), "holds no state dict"),
        (lambda path: torch.save({"model_state": {"lr": 0.1}}, path), "holds no state dict"),
        (lambda path: torch.save({"a": torch.ones(1), "epoch": 3}, path), "holds no state dict"),
    ],
    ids=[
        "missing",
        "a folder",
        "empty",
        "text",
        "a web page",
        "cut short",
        "cut short, old",
        "a whole network",
        "a list",
        "numbered tensors",
        "no tensors",
        "tensors and more",
    ],
)
def test_what_is_no_checkpoint_is_refused_in_one_line_that_names_the_file(
    write: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "file.pth"
    write(path)
    with pytest.raises(WeightsError) as refused:
        load_file(small(), path)
    assert str(refused.value).startswith(f"{path} {message}")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("zipped", [True, False], ids=["zipped", "as torch saved before 1.6"])
def test_whatever_byte_is_damaged_it_is_a_weights_error_or_a_state(zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / "file.pth"
    saved(zipped)(path)
    whole = path.read_bytes()
    for place in range(0, len(whole), 1 + len(whole) // 400):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x15]) + whole[place + 1 :])
        try:
            state = read_state(path)
        except WeightsError as error:
            assert "\n" not in str(error)
        else:
            assert all(isinstance(tensor, Tensor) for tensor in state.values())
