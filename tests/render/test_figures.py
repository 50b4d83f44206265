"""Figures for people."""

import re

from hypothesis import given
from hypothesis import strategies as st

from tracer.render.figures import humane, lasted, ordinal


def test_figures_have_three_digits_and_a_letter() -> None:
    said = [0, 0.04, 0.4, 3.0, 9.96, 982.0, 999.5, 1234, 12_345, 999_499, 999_500, 4.1e9]
    assert [humane(one) for one in said] == [
        "0", "<0.1", "0.4", "3", "10", "982", "1.00k", "1.23k", "12.3k", "999k", "1.00M", "4.10G",
    ]  # fmt: skip


@given(st.floats(min_value=0, max_value=9.9e14))
def test_a_figure_fits_its_column_and_is_near_the_truth(number: float) -> None:
    said = humane(number)
    assert len(said) <= 5
    if said.startswith("<"):
        assert 0 < number < 0.1
        return
    figure, unit = re.fullmatch(r"([0-9.]+)([kMGT]?)", said).groups()  # type: ignore[union-attr]
    size = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}[unit]
    assert abs(float(figure) * size - number) <= max(0.05 + 1e-9, number * 0.0502)
    assert (number == 0) == (said == "0")


def test_durations_have_at_most_two_units() -> None:
    said = [0, 4.2, 59.6, 125, 3600, 11_530, 90_061, 172_800]
    assert [lasted(one) for one in said] == [
        "0 s", "4 s", "1 min", "2 min 5 s", "1 h", "3 h 12 min", "1 d 1 h", "2 d",
    ]  # fmt: skip


def test_ordinals() -> None:
    said = [ordinal(one) for one in (1, 2, 3, 4, 11, 12, 13, 21, 102, 113)]
    assert said == ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "113th"]
