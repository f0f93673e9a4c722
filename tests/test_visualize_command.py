"""Claims about `visualize`: an image for each class and speed, and one plain line for what it cannot show."""

from pathlib import Path

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from commands.visualize import visualize

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = ("--backbone", "mc3_18", "--weights", "random", "--frames", 8, "--side", 32, "--steps", 1)

app = typer.Typer(pretty_exceptions_enable=False)
app.command()(visualize)


def call(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "80", "TERM": "dumb"}).invoke(app, [str(one) for one in arguments])


def refused(*arguments: object) -> str:
    """The one line that a call ends with, of which nothing can be seen on stdout."""
    result = call(*arguments)
    assert result.exit_code == 2 and result.stdout == "", result.output
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    return lines[0]


# What comes of it


def test_one_image_goes_where_it_is_asked_for(tmp_path: Path) -> None:
    out = tmp_path / "new" / "archery.gif"
    result = call(*SMALL, "--class", "archery", "--speed", "slow", "--out", out)
    assert result.exit_code == 0, result.output
    assert list(out.parent.iterdir()) == [out]
    with Image.open(out) as image:
        assert (image.n_frames, image.size) == (8, (32, 32))  # type: ignore[attr-defined]


def test_several_images_have_class_and_speed_in_their_names(tmp_path: Path) -> None:
    classes = ("--class", "arm wrestling", "--class", "archery", "--class", "archery")
    result = call(*SMALL, *classes, "--out", tmp_path / "seen.webp", "--sheet")
    names = {f"seen-{what}-{speed}" for what in ("arm_wrestling", "archery") for speed in ("slow", "fast")}
    assert result.exit_code == 0, result.output
    assert {one.name for one in tmp_path.iterdir()} == {f"{name}{end}" for name in names for end in (".webp", ".png")}


def test_each_image_is_told_in_a_line_with_the_score_before_and_after(tmp_path: Path) -> None:
    result = call(*SMALL, "--class", "archery", "--out", tmp_path / "a.gif")
    slow, fast = result.stdout.splitlines()
    assert slow.startswith(f"{tmp_path / 'a-archery-slow.gif'}: archery, slow: probability ")
    assert fast.startswith(f"{tmp_path / 'a-archery-fast.gif'}: archery, fast: probability ")
    assert all(line.endswith("% after") and "% before, " in line for line in (slow, fast))


def test_frames_are_shown_at_the_rate_that_the_backbone_knows(tmp_path: Path) -> None:
    call(*SMALL, "--class", "archery", "--speed", "fast", "--out", tmp_path / "a.webp")
    with Image.open(tmp_path / "a.webp") as image:
        image.seek(1)
        image.load()
        assert image.info["duration"] == 67  # 15 a second


def test_same_seed_gives_the_same_file_and_another_seed_another(tmp_path: Path) -> None:
    for name, seed in (("one", 4), ("again", 4), ("other", 5)):
        call(*SMALL, "--class", "archery", "--speed", "fast", "--out", tmp_path / f"{name}.gif", "--seed", seed)
    one, again, other = ((tmp_path / f"{name}.gif").read_bytes() for name in ("one", "again", "other"))
    assert one == again != other


def test_random_weights_are_told_to_mean_nothing(tmp_path: Path) -> None:
    result = call(*SMALL, "--class", "archery", "--speed", "slow", "--out", tmp_path / "a.gif")
    assert "random" in result.stderr and "mean nothing" in result.stderr


# What it refuses


def test_unknown_class_is_refused_with_near_names(tmp_path: Path) -> None:
    result = call(*SMALL, "--class", "arm wresling", "--out", tmp_path / "a.gif")
    assert result.exit_code == 2
    last = result.stderr.splitlines()[-1]
    assert last.startswith("--class: 'arm wresling' is none of the 400 of mc3_18; did you mean 'arm wrestling'")
    assert not list(tmp_path.iterdir())


def test_part_of_a_name_finds_the_names_that_hold_it() -> None:
    last = call(*SMALL, "--class", "Wrestling").stderr.splitlines()[-1]
    assert last.endswith("did you mean 'arm wrestling' or 'wrestling'?")


def test_backbone_without_class_scores_of_pictures_is_refused() -> None:
    line = refused("--backbone", "slowfast_r50_8x8_detection", "--class", "archery")
    assert line == "--backbone: slowfast_r50_8x8_detection classifies boxes, not whole pictures; choose another"


def test_unknown_backbone_is_refused_with_those_there_are() -> None:
    line = refused("--backbone", "i4d", "--class", "archery")
    assert line.startswith("no backbone 'i4d'; one of: ") and "i3d" in line


def test_unknown_weights_are_refused_with_those_there_are() -> None:
    assert "i3d_kinetics400" in refused("--weights", "none", "--class", "archery")


def test_file_that_holds_no_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "weights.pt").write_text("no weights")
    assert "weights.pt" in refused("--weights", tmp_path / "weights.pt", "--class", "archery")


def test_file_name_must_tell_a_form_of_image() -> None:
    line = refused("--class", "archery", "--out", "clip.mp4")
    assert line == "--out: give a name that ends in .gif or .webp, got 'clip.mp4'"


def test_place_that_cannot_be_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = call(*SMALL, "--class", "archery", "--out", tmp_path / "file" / "below" / "a.gif", "--steps", 10**9)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith(f"--out: {tmp_path / 'file' / 'below'} cannot be made: ")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--backbone", "mc3_18", "--frames", 9), "--frames: mc3_18 takes multiples of 8, got 9"),
        (("--backbone", "swin3d_t", "--frames", 8), "--frames: swin3d_t takes 32 frames only, got 8"),
        (("--backbone", "swin3d_t", "--side", 64), "--side: swin3d_t takes pictures of 224 pixels only, got 64"),
    ],
)
def test_sizes_that_the_network_does_not_take_are_refused(
    options: tuple[object, ...], text: str, tmp_path: Path
) -> None:
    result = call("--weights", "random", *options, "--class", "archery", "--out", tmp_path / "a.gif")
    assert result.exit_code == 2 and result.stderr.splitlines()[-1] == text


# With real weights


@pytest.mark.network
def test_i3d_with_its_published_weights_shows_a_class_it_knows(tmp_path: Path) -> None:
    options = ("--frames", 8, "--side", 64, "--steps", 30, "--speed", "slow", "--out", tmp_path / "bike.gif")
    result = call("--class", "riding a bike", *options)
    assert result.exit_code == 0, result.output
    before, after = (float(part.split("%")[0]) for part in result.stdout.split("probability ")[1].split("before, "))
    assert before < 10 and after > 50
