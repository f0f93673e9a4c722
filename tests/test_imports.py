"""The direction of imports: read from the source of every file, those inside functions and for types included."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("annotations", "commands", "detectors", "evaluation", "pipeline", "reports", "stages", "training")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))

FORBIDDEN = {
    "annotations": ("commands", "detectors", "evaluation", "pipeline", "reports", "stages", "training"),
    "evaluation": ("commands", "detectors", "pipeline", "reports", "stages", "torch", "training"),
    "detectors": ("annotations", "commands", "evaluation", "pipeline", "reports", "stages", "training"),
    "pipeline": ("annotations", "commands", "detectors", "evaluation", "reports", "stages", "training"),
    "stages": (
        "commands",
        "evaluation",
        "pipeline.engine_local",
        "pipeline.engine_ray",
        "reports",
        "training",
    ),
    "training": ("commands", "reports"),
    "reports": ("commands",),
}
EXCEPTIONS = {"detectors": {"pipeline.records"}, "annotations": {"pipeline.parts"}}
FRONT_DOOR = "pipeline/api.py"  # puts together what it hands out, and may know stages and reports
ONLY_IN = {
    "ray": {"pipeline/engine_ray.py"},
    "av": {"stages/picture.py", "stages/probe.py", "stages/compose.py", "stages/render.py", "stages/hearing.py"},
}


def imports(source: str) -> Iterator[str]:
    """Modules by their full names; a relative import begins with a dot."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            # `from pipeline import records` names a module too.
            yield from (f"{module}.{alias.name}" for alias in node.names) if "." not in module else [module]


def is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def breaches(name: str, source: str) -> list[str]:
    """What a file, named by its path below the root, imports against the rules."""
    folder, found = name.split("/")[0], []
    for module in imports(source):
        forbidden = any(is_within(module, package) for package in FORBIDDEN.get(folder, ()))
        allowed = any(is_within(module, package) for package in EXCEPTIONS.get(folder, ())) or name == FRONT_DOOR
        elsewhere = any(is_within(module, package) and name not in files for package, files in ONLY_IN.items())
        if module.startswith(".") or (forbidden and not allowed) or elsewhere:
            found.append(module)
    return found


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(ROOT)) for path in FILES])
def test_file_imports_in_one_direction(path: Path) -> None:
    assert breaches(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) == []


def test_detectors_run_alone_with_torch_and_numpy() -> None:
    """On a machine with neither av nor ray, and without torchvision until one of its networks is asked for."""
    absent = ("av", "ray", "pyarrow", "pydantic", "yaml", "typer", "rich", "requests", "pypi_simple", "platformdirs")
    code = f"""
import sys
sys.modules.update(dict.fromkeys({absent}))
import detectors.inference.bench, detectors.inference.stream, detectors.checkpoints, detectors.weights
import detectors.persons
from detectors.backbones import roi_head
from detectors.temporal import LOCALIZERS
assert "torchvision" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_command_line_alone_may_import_everything_but_ray_and_av() -> None:
    assert breaches("run.py", (ROOT / "run.py").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("detectors/nms.py", "from pipeline.settings import NmsSettings"),
        ("detectors/nms.py", "def f():\n    import av"),
        ("detectors/nms.py", "import pipeline"),
        ("stages/decode.py", "from pipeline import engine_local"),
        ("stages/write.py", "import av.logging"),
        ("stages/write.py", "from reports.terminal import found_actions"),
        ("pipeline/job.py", "import ray"),
        ("pipeline/job.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from stages import decode"),
        ("pipeline/job.py", "from . import plan"),
        ("pipeline/job.py", "from .plan import segments_of"),
        ("run.py", "import ray"),
    ],
)
def test_breach_is_seen(name: str, source: str) -> None:
    assert len(breaches(name, source)) == 1


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("detectors/nms.py", "from pipeline.records import Span"),
        ("detectors/nms.py", "from pipeline import records"),
        ("pipeline/engine_ray.py", "import ray\nfrom ray.exceptions import RayError"),
        ("stages/probe.py", "import av.logging"),
        ("stages/build.py", "import pipeline\nfrom detectors import backbones"),
        ("training/loop.py", "from stages.decode import Decode"),
    ],
)
def test_what_the_rules_allow_is_no_breach(name: str, source: str) -> None:
    assert breaches(name, source) == []
