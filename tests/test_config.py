"""Claims about settings: what is refused and in which words, what overrides mean, what a result depends on."""

import re
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import ConfigError, load_config, ready_made
from pipeline.settings import Config

READY = ready_made()


def refusal(*overrides: str, name: str = "kinetics400") -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(name, overrides)
    return str(caught.value)


def write(folder: Path, text: str) -> str:
    path = folder / "own.yaml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name", READY)
def test_every_ready_made_config_loads(name: str) -> None:
    assert isinstance(load_config(name), Config)


def test_unknown_key_is_refused_with_the_nearest_one_and_all_that_are_allowed() -> None:
    text = refusal("frames.short_sid=160")
    assert text.startswith("frames.short_sid: unknown (did you mean short_side?)")
    assert "rate" in text and "fit" in text


def test_unknown_section_and_deep_key_are_refused_with_their_path() -> None:
    assert refusal("frame.rate=25").startswith("frame: unknown (did you mean frames?)")
    assert refusal("localizer.nms.sigm=1").startswith("localizer.nms.sigm: unknown (did you mean sigma?)")


def test_wrong_types_are_refused_with_the_value() -> None:
    assert refusal("frames.rate=fast").startswith("frames.rate: ") and "'fast'" in refusal("frames.rate=fast")
    assert refusal("frames.short_side=160.5").startswith("frames.short_side: ")
    assert refusal("output.features=1").startswith("output.features: ")
    assert refusal("frames=25").startswith("frames: ")


def test_a_date_is_a_wrong_type_like_any_other() -> None:
    assert refusal("frames.rate=2020-01-01").startswith("frames.rate: ")


def test_out_of_range_names_the_limit() -> None:
    assert refusal("frames.rate=0") == "frames.rate: input should be 'auto', or input should be greater than 0, got 0"
    assert "less than or equal to 1" in refusal("localizer.nms.iou_threshold=1.5")
    assert refusal("frames.fit=zoom") == "frames.fit: input should be 'auto', 'keep', 'crop' or 'squash', got 'zoom'"


def test_a_setting_of_several_kinds_is_refused_in_one_line() -> None:
    text = refusal("engine.lanes=0")
    assert text.count("\n") == 0 and text.startswith("engine.lanes: ") and "'auto'" in text


def test_every_wrong_field_has_its_line() -> None:
    lines = refusal("frames.rate=0", "frames.fit=zoom").split("\n")
    assert [line.partition(":")[0] for line in lines] == ["frames.rate", "frames.fit"]


def test_impossible_combination_is_refused_with_the_way_out() -> None:
    text = refusal("localizer.nms.vote_iou=0.8")
    assert text.startswith("localizer.nms.vote_iou: classes vote only when merged; set class_wise to false")


def test_overrides_are_read_as_yaml_and_the_last_one_counts() -> None:
    config = load_config(
        "kinetics400", ["engine.lanes=4", "frames.rate=10", "frames.rate=12.5", "output.features=true"]
    )
    assert (config.engine.lanes, config.frames.rate, config.output.features) == (4, 12.5, True)
    assert load_config("kinetics400", ["localizer.training_free.thresholds=[0.3, 0.7]"]) == load_config(
        "kinetics400", ["localizer.training_free.thresholds=\n- 0.3\n- 0.7"]
    )
    assert load_config("kinetics400", ["localizer.nms.vote_iou=null"]).localizer.nms.vote_iou is None


@pytest.mark.parametrize("override", ["frames.rate", "=25", "frames.=25", "frames.rate=[", "localizer.name.x=1"])
def test_malformed_override_is_refused_as_it_was_given(override: str) -> None:
    assert refusal(override).startswith(f"--set {override}: ")


def test_own_file_is_read_and_leaves_the_rest_at_defaults(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, "frames: {short_side: 96}\n"))
    assert config.frames.short_side == 96 and config.segments == Config().segments
    assert load_config(write(tmp_path, "")) == Config()


def test_file_that_is_no_mapping_or_no_yaml_is_refused_by_name(tmp_path: Path) -> None:
    for text in ("- a\n", "frames: [\n"):
        path = write(tmp_path, text)
        assert refusal(name=path).startswith(path)
    (tmp_path / "own.yaml").write_bytes(b"\xff\xfe\x00")
    assert "is not YAML" in refusal(name=path)


def test_unknown_config_names_the_ready_made_ones() -> None:
    assert all(name in refusal(name="kinetics4000") for name in READY)


def test_off_is_a_word_and_true_and_false_are_not(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("cache: {features: off}\nengine: {compile: off}\noutput: {features: true}\n")
    config = load_config(str(path))
    assert (config.cache.features, config.engine.compile, config.output.features) == ("off", "off", True)
    assert load_config("kinetics400", ["cache.features=off"]).cache.features == "off"
    assert not load_config(str(path), ["output.features=False"]).output.features
    assert load_config(str(path), ["backbone.weights=true.pth"]).backbone.weights == "true.pth"


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Config().frames.rate = 10.0  # type: ignore[misc]


@pytest.mark.parametrize(
    "override",
    [
        "segments.length_s=30",
        "segments.chunk_frames=32",
        "engine.lanes=3",
        "engine.decoders_per_lane=2",
        "engine.device=cpu",
        "engine.threads=1",
        "engine.attempts=9",
        "engine.compute_frames=8",
        "engine.compile=default",
        "cache.features=keep",
    ],
)
def test_result_hash_does_not_depend_on_how_the_work_is_cut_or_where_it_runs(override: str) -> None:
    assert load_config("kinetics400", [override]).result_hash("w") == load_config().result_hash("w")


ON = load_config("kinetics400", ["persons=on"])


def leaves(settings: dict[str, Any], path: str = "") -> list[tuple[str, Any]]:
    found = []
    for name, value in settings.items():
        here = f"{path}.{name}".strip(".")
        found += leaves(value, here) if isinstance(value, dict) else [(here, value)]
    return found


def changed(path: str) -> Config:
    """All switched on, with one field made different, unchecked."""
    config: Any = ON
    *sections, name = path.split(".")
    models = [config]
    for section in sections:
        models.append(getattr(models[-1], section))
    value: Any = models[-1].model_copy(update={name: "something else"})
    for model, section in zip(reversed(models[:-1]), reversed(sections), strict=True):
        value = model.model_copy(update={section: value})
    return value  # type: ignore[no-any-return]


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_result_hash_depends_on_every_other_setting_and_on_the_weights() -> None:
    before = ON.result_hash("w")
    assert ON.result_hash("other weights") != before
    for path, _ in leaves(ON.model_dump()):
        free = path.startswith(("segments.", "engine.", "cache.", "training.")) or path.endswith((".weights", ".boxes"))
        assert (changed(path).result_hash("w") == before) == free, path


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_features_hash_depends_on_frames_backbone_boxes_and_weights_alone() -> None:
    before = ON.features_hash("w")
    assert ON.features_hash("other weights") != before
    of_boxes = ("persons.switch", "persons.rate", "persons.window_s", "persons.detector.")
    for path, _ in leaves(ON.model_dump()):
        decides = path.startswith(("frames.", "backbone.", *of_boxes)) and not path.endswith((".weights", ".boxes"))
        assert (changed(path).features_hash("w") != before) == decides, path


def test_settings_of_a_branch_that_is_off_decide_nothing() -> None:
    off = load_config("kinetics400", ["persons.rate=5", "persons.tubes.start_score=0.9"])
    assert off.result_hash("w") == Config().result_hash("w") != ON.result_hash("w")
    assert off.features_hash("w") == Config().features_hash("w") != ON.features_hash("w")


@pytest.mark.parametrize(
    "overrides",
    [
        ["persons=on", "persons.rate=2"],
        ["persons.rate=2", "persons=on"],
        ["persons.switch=on", "persons.rate=2"],
        ["persons=off", "persons.rate=2", "persons=on"],
    ],
)
def test_the_person_branch_is_a_word_or_a_section(overrides: list[str]) -> None:
    settings = load_config("kinetics400", overrides).persons
    assert settings.is_on and settings.rate == 2


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["persons.tracking.low_score=0.5"], "persons.tracking.low_score: must not exceed high_score"),
        (["persons.rate=0.1"], "persons.tracking.max_gap_s: must reach to the next key frame, 10 s at this"),
        (["persons.detector.min_score=0.2"], "persons.detector.min_score: must not exceed tracking.low_score"),
        (["persons.tubes.keep_score=0.9"], "persons.tubes.keep_score: must not exceed start_score"),
    ],
)
def test_person_settings_that_contradict_each_other_are_refused(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        load_config("kinetics400", overrides)


def test_a_word_that_switches_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"persons\.switch: .*'on' or 'off', got 'maybe'"):
        load_config("kinetics400", ["persons=maybe"])
