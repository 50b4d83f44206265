"""MACs: injective, keyed, and of the same sort."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bundle.redact.maps import SECRET, macs

MACS = st.binary(min_size=6, max_size=6) | st.builds(
    lambda first, rest: first + rest,
    st.sampled_from((b"\x33\x33", b"\x33\x33\xff", b"\x01\x00\x5e", b"\0\0\0", b"\xff\xff\xff")),
    st.binary(min_size=4, max_size=4),
).map(lambda mac: mac[:6])
KEYS = st.binary(max_size=8)


@given(st.sets(MACS.filter(lambda mac: len(mac) == 6), max_size=20), KEYS)
def test_no_two_become_one(found: set[bytes], key: bytes) -> None:
    the_map = macs(key)
    assert len({the_map.packed(mac) for mac in found}) == len(found)


@given(MACS.filter(lambda mac: len(mac) == 6), KEYS)
def test_group_and_local_bits_stay(mac: bytes, key: bytes) -> None:
    assert macs(key).packed(mac)[0] & 3 == mac[0] & 3


@pytest.mark.parametrize(
    "mac",
    ["00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "33:33:00:00:00:16", "33:33:00:01:00:02",
     "01:00:5e:00:00:fb", "01:80:c2:00:00:0e"],
)  # fmt: skip
def test_what_is_the_same_everywhere_stays(mac: str) -> None:
    assert macs().text(mac) == mac


def test_groups_stay_groups_of_their_sort() -> None:
    assert macs().text("33:33:ff:c0:02:0b").startswith("33:33:ff:")
    assert macs().text("33:33:12:34:56:78").startswith("33:33:")
    assert macs().text("01:00:5e:7f:12:34").startswith("01:00:5e:")


def test_one_vendor_stays_one_vendor_and_is_not_told() -> None:
    first, second = (macs().text(f"52:54:00:c0:02:0{digit}") for digit in "bc")
    assert first[:8] == second[:8] != "52:54:00"


def test_the_three_ways_to_write_it_are_one_mac() -> None:
    forms = ("52:54:00:C0:02:0b", "52-54-00-c0-02-0b", "5254.00c0.020b")
    assert len({macs().text(form) for form in forms}) == 1


@pytest.mark.parametrize("bits", [8, 16, 22])
def test_a_permutation_reaches_every_number_once(bits: int) -> None:
    some = range(0, 1 << bits, max(1, (1 << bits) >> 16))
    images = {SECRET.permuted("test", number, bits) for number in some}
    assert len(images) == len(some)
    assert all(0 <= image < 1 << bits for image in images)
