"""The engine room: records, settings, planning, engines, commit and resume. Knows no model.

For notebooks and programs: `from pipeline import detect, load_config, open_results` (pipeline.api).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.api import detect, load_config, open_results

__version__ = "0.1.0"
DEFAULT_CONFIG = "kinetics400"  # of configs/, where none is named; here, since commands name it before all imports
__all__ = ["DEFAULT_CONFIG", "__version__", "detect", "load_config", "open_results"]


def __getattr__(name: str) -> Any:
    """The front door, imported only when it is used: workers import this package too."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pipeline import api

    return getattr(api, name)
