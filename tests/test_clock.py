"""Seconds as people read them."""

from pipeline.clock import clock


def test_hours_are_told_only_where_there_are_some() -> None:
    assert [clock(0), clock(59.4), clock(61), clock(3661)] == ["0:00", "0:59", "1:01", "1:01:01"]


def test_rounding_carries_into_minutes_and_hours() -> None:
    assert [clock(59.99), clock(3599.5)] == ["1:00", "1:00:00"]
    assert clock(3599.96, tenths=True) == "1:00:00.0"


def test_tenths_are_told_on_request() -> None:
    assert [clock(7.14, tenths=True), clock(3661.26, tenths=True)] == ["0:07.1", "1:01:01.3"]
