"""Sizes and spans of time, as they are typed."""

import pytest

from tracer.cli.amounts import bytes_of, seconds_of
from tracer.errors import UsageError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1G", 1 << 30),
        ("500M", 500 << 20),
        ("64k", 65_536),
        ("1.5GiB", 3 << 29),
        ("2 TB", 2 << 40),
        ("4096", 4096),
        ("10B", 10),
    ],
)
def test_a_size(text: str, size: int) -> None:
    assert bytes_of(text, "--record-size") == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7d", 604_800), ("12h", 43_200), ("1.5m", 90), ("90s", 90), ("2w", 1_209_600)],
)
def test_a_span_of_time(text: str, seconds: float) -> None:
    assert seconds_of(text, "--record-age") == seconds


@pytest.mark.parametrize("text", ["", "G", "-1G", "1X", "0", "0.1", "1e9", "nan", "1G1", "\u0661G"])
def test_what_is_no_size_is_a_usage_error_that_names_the_option(text: str) -> None:
    with pytest.raises(UsageError, match="is no size") as caught:
        bytes_of(text, "--record-size")
    assert caught.value.where == "--record-size"


@pytest.mark.parametrize("text", ["", "7", "d", "-7d", "0s", "1G", "inf", "999999999w"])
def test_what_is_no_time_is_a_usage_error_that_names_the_option(text: str) -> None:
    with pytest.raises(UsageError, match="is no span of time") as caught:
        seconds_of(text, "--record-age")
    assert caught.value.where == "--record-age"
