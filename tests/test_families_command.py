"""The command `families`: the table, and trainings that go on where they were stopped, on real recordings."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from commands.families import families
from detectors.backbones import FAMILIES
from detectors.inference.receptive_field import ReceptiveField, Seen
from detectors.inference.traits import Traits
from reports.families import trait_table
from reports.families_results import SCHEMA, apart

pytestmark = pytest.mark.usefixtures("one_thread")

app = typer.Typer()
app.command()(families)

SMALL = ("backbone.design.image_network=toy", "training.epochs=1", "training.warmup_epochs=0")


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are as wide as they want to be."""
    monkeypatch.setattr("commands.families.console", Console(width=200, soft_wrap=True))


def call(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "200", "TERM": "dumb"}).invoke(app, [str(one) for one in arguments])


def sets(*overrides: str) -> list[str]:
    return [part for one in overrides for part in ("--set", one)]


def train(out: Path, *names: str, overrides: tuple[str, ...] = ()) -> Result:
    return call(*names, "--train", "--data", "order", "--recordings", 2, "--out", out, *sets(*SMALL, *overrides))


def rows_of(out: Path) -> list[dict[str, Any]]:
    table = pq.read_table(out / "families.parquet")
    assert table.schema.equals(SCHEMA)
    return table.to_pylist()


def cells_of(output: str, name: str) -> list[str]:
    return next(line.split()[1:] for line in output.splitlines() if line.split()[:1] == [name])


def test_table_tells_what_networks_cost_and_see() -> None:
    result = call("single_frame", "early_fusion", "slow_fusion", *sets("backbone.design.image_network=toy"))
    assert result.exit_code == 0, result.output
    assert cells_of(result.output, "single_frame") == ["0.01", "4x112x112", "0.0488", "147", "14", "1", "yes"]
    assert cells_of(result.output, "early_fusion")[-4:-1] == ["14", "all", "no"]
    assert cells_of(result.output, "slow_fusion")[1:] == ["16x112x112", "0.439", "588", "14", "14", "yes"]


def test_the_longest_name_fits_a_terminal_of_80_columns() -> None:
    traits = Traits(
        name=max(FAMILIES, key=len),
        parameters=99_990_000,
        clip_frames=36,
        side=112,
        flop_per_clip=12_300_000_000,
        field=ReceptiveField(frames=Seen(None, before_only=True), pixels=Seen(435)),
        shift_change=1.5,
    )
    console = Console(width=80, record=True)
    console.print(trait_table([traits]))
    row = console.export_text().splitlines()[-2].split(maxsplit=1)
    assert row[0] == traits.name and row[1].strip().endswith("no 150%")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "no backbone 'nothing'"),
        (["--data", "order"], "--data, --annotations and --videos are of --train"),
        (["--train", "--annotations", "a.csv"], "--videos is missing"),
        (["--train", "--annotations", "a.csv", "--videos", "v", "--data", "both"], "leave one of them out"),
        (["--train", "audio_visual_late"], "no network is left to train"),
        (["--train", "slowfast_r50_8x8_detection"], "slowfast_r50_8x8_detection classifies boxes only"),
        (["single_frame", "--set", "backbone.design.depth=3"], "backbone.design.depth"),
    ],
)
def test_what_cannot_be_is_told_before_any_work(tmp_path: Path, arguments: list[str], message: str) -> None:
    result = call(*arguments, "--out", tmp_path / "out")
    assert result.exit_code == 2 and message in result.output
    assert not list(tmp_path.glob("out/*"))


def test_a_network_that_cannot_be_made_is_left_out_with_the_reason() -> None:
    result = call("single_frame", "inflated", *sets("backbone.design.image_network=swin_t"))
    assert result.exit_code == 0 and "inflated is left out" in result.output
    assert cells_of(result.output, "single_frame")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    out = tmp_path_factory.mktemp("families")
    return out, train(out, "single_frame", "slow_fusion")


def test_training_leaves_a_row_a_network_a_picture_and_models(trained: tuple[Path, Result]) -> None:
    out, result = trained
    assert result.exit_code == 0, result.output
    assert "order: 10 actions to train on, 10 to validate on; 6 classes" in result.output
    first, second = rows_of(out)
    assert (first["name"], second["name"], first["data"]) == ("single_frame", "slow_fusion", "order")
    assert 0 <= first["accuracy"] <= 1 and first["chance"] == pytest.approx(1 / 6)
    assert first["raw_bytes"] == 16 * 64 * 64 * 3 and first["epochs"] == 1 and first["train_s"] > 0
    assert (first["sees_frames"], second["sees_frames"], second["shift_invariant"]) == (1, 14, True)
    assert (out / "families.png").read_bytes().startswith(b"\x89PNG")
    assert Path(first["model"]).is_file() and Path(second["model"]).is_file()


def test_what_is_trained_is_not_trained_again_and_other_settings_take_its_place(trained: tuple[Path, Result]) -> None:
    out, _ = trained
    before = rows_of(out)
    again = train(out, "single_frame", "early_fusion")
    assert again.exit_code == 0, again.output
    line, other = (line for line in again.output.splitlines() if line.startswith("order: ") and "epochs" in line)
    assert "single_frame" in line and line.endswith("trained before") and not other.endswith("trained before")
    assert rows_of(out)[:2] == before and rows_of(out)[2]["name"] == "early_fusion"
    train(out, "single_frame", overrides=("training.seed=1",))
    rows = rows_of(out)
    assert [row["name"] for row in rows] == ["slow_fusion", "early_fusion", "single_frame"]
    assert rows[-1]["settings_hash"] != before[0]["settings_hash"]


def test_annotations_of_ones_own_are_a_data_set_too(trained: tuple[Path, Result], tmp_path: Path) -> None:
    folder = trained[0] / "shapes_2"
    result = call(
        *("late_fusion_pooling", "--train", "--annotations", folder / "appearance.csv", "--videos", folder),
        *("--out", tmp_path, *sets(*SMALL)),
    )
    assert result.exit_code == 0, result.output
    (row,) = rows_of(tmp_path)
    assert (row["data"], row["side"], row["training_actions"]) == ("appearance", 112, 10)


def test_names_in_the_picture_do_not_touch() -> None:
    heights = apart([0.1, 0.1, 0.12, 0.9, 0.99, 0.99, 0.99])
    assert (np.diff(heights) > 0.04).all() and heights[-1] <= 1 and heights[0] == 0.1
