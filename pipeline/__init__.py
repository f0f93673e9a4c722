"""The engine room: records, settings, planning, engines, commit and resume. Knows no model."""

__version__ = "0.1.0"
