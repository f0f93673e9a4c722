"""Claims about the reference of settings: whole, true to the models, and the same in docs/configuration.md."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel
from typer.testing import CliRunner, Result

from pipeline.config import ConfigError, load_config
from pipeline.settings import Config
from reports.settings_reference import Section, sections_below, settings_reference
from run import app

DOCS = Path(__file__).parents[1] / "docs"


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["settings", *arguments])


def rows(text: str) -> dict[str, list[str]]:
    """Cells of the tables of settings, by dotted path."""
    lines = (line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `"))
    return {cells[0].strip("`"): cells[1:] for cells in lines}


def values(config: BaseModel, path: str = "") -> Iterator[str]:
    """Dotted paths of all that a config holds, found without the reference."""
    for name in type(config).model_fields:
        inner = getattr(config, name)
        if isinstance(inner, BaseModel):
            yield from values(inner, f"{path}{name}.")
        else:
            yield f"{path}{name}"


# The page


def test_page_in_docs_is_what_the_command_prints() -> None:
    result = call()
    assert result.exit_code == 0
    again = "docs/configuration.md is stale: uv run run.py settings > docs/configuration.md"
    assert (DOCS / "configuration.md").read_text(encoding="utf-8") == result.stdout, again


def test_every_field_of_every_model_is_in_it_and_explains_itself() -> None:
    given = load_config("kinetics400", ["training.features={folder: f, fps: 30, stride: 4}"])
    found = rows(settings_reference())
    assert set(values(given)) == set(found) - {"training.features"}  # which is a value where it is left out
    assert [path for path, (_, takes, what) in found.items() if not takes or len(what) < 5] == []


def test_every_section_has_a_heading_a_sentence_and_a_link_that_leads_there() -> None:
    text = settings_reference()
    headings = [line.lstrip("# ") for line in text.splitlines() if line.startswith("##")]
    sections = list(sections_below(Section("", Config)))[1:]
    assert headings == [section.path for section in sections]
    for section in sections:
        assert section.model.__doc__ != BaseModel.__doc__ and section.model.__doc__
        assert f"| [{section.path}](#{section.path.replace('.', '')}) | " in text


@pytest.mark.parametrize(
    ("path", "default", "takes"),
    [
        ("frames.rate", "auto", "`auto`, or number > 0, ≤ 240"),
        ("segments.chunk_frames", "64", "integer ≥ 8, ≤ 4096"),
        ("engine.compile", "off", "`off`, `default`, `reduce-overhead`"),
        ("output.features", "false", "`true`, `false`"),
        ("localizer.weights", "null", "text, or `null`"),
        ("localizer.nms.vote_iou", "null", "number ≥ 0, ≤ 1, or `null`"),
        ("localizer.anchor_free.network.kernel", "9", "integer ≥ 1, ≤ 63"),
        (
            "localizer.training_free.thresholds",
            "[0.1, 0.25, 0.5, 0.75, 0.9]",
            "list, at least 1; each number > 0, < 1",
        ),
        (
            "localizer.temporal_rcnn.network.scales",
            "auto",
            "`auto`, or list, at least 1; each integer ≥ 2, a multiple of 2",
        ),
        ("training.augmentation.crop_share", "0.5", "number > 0, ≤ 1"),
        ("training.head.dropout", "0.5", "number ≥ 0, < 1"),
        ("training.finetune.learning_rate", "0.00001", "number > 0"),
        ("training.features", "null", "the section below, or `null`"),
    ],
)
def test_defaults_and_bounds_are_those_of_the_models(path: str, default: str, takes: str) -> None:
    assert rows(settings_reference())[path][:2] == [f"`{default}`", takes]


def test_defaults_can_be_given_as_they_are_written() -> None:
    found = rows(settings_reference())
    given = [
        f"{path}={default.strip('`')}"
        for path, (default, *_) in found.items()
        if not path.startswith("training.features.")  # which is left out by default, with all that is in it
    ]
    assert load_config("kinetics400", given) == Config()


def test_a_field_that_has_no_default_says_so() -> None:
    assert rows(settings_reference())["training.features.fps"][0] == "must be given"


# Parts of it


def test_a_section_is_printed_with_all_below_it_and_nothing_else() -> None:
    result = call("localizer.anchor_free")
    assert result.exit_code == 0 and result.stdout.startswith("### localizer.anchor_free\n")
    found = set(rows(result.stdout))
    assert {"localizer.anchor_free.min_score", "localizer.anchor_free.network.kernel"} < found
    assert all(path.startswith("localizer.anchor_free.") for path in found)


def test_a_single_setting_is_printed_alone() -> None:
    assert list(rows(settings_reference("localizer.nms.sigma"))) == ["localizer.nms.sigma"]


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("nms", "did you mean localizer.nms?"),
        ("frames.rte", "did you mean frames.rate"),
        ("localiser", "did you mean localizer"),
        ("nonsense", "the sections are frames, backbone, localizer, "),
        ("", "the sections are frames, "),
    ],
)
def test_an_unknown_section_is_one_line_that_names_what_is_near(name: str, near: str) -> None:
    result = call(name)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1 and f"{name}: no such section or setting; {near}" in result.stderr
    with pytest.raises(ConfigError):
        settings_reference(name)
