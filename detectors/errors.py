"""The error of files that hold weights: one that cannot be had, or is not what it should be."""


class WeightsError(RuntimeError):
    """A file cannot be had, or is not what it should be; the message is one line for the user."""
