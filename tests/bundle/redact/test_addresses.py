"""Addresses: injective, keyed, and subnets stay subnets."""

from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.bundle.redact.maps import addresses, macs
from tracer.bundle.redact.ipv4 import KEPT, RESERVED, STAYS

Address = IPv4Address | IPv6Address
Net = IPv4Network | IPv6Network

KEYS = st.binary(max_size=8)
INTERESTING = tuple(
    int(ip_address(text))
    for text in (
        "::", "::1", "fe80::1", "fe80::5054:ff:fec0:20b", "ff02::1", "ff02::16", "ff02::1:ffc0:20b",
        "ff02::1:2", "ff05::abcd:1234", "2001:db8::1", "4001:db8::1", "2a01:4f8::1", "4a01:4f8::1",
        "3fff::1", "5fff::1", "::ffff:10.0.0.1", "64:ff9b::8.8.8.8", "fd00::1", "fc00::1",
    )
)  # fmt: skip
IPV4 = st.integers(0, (1 << 32) - 1).map(IPv4Address)
IPV6 = (st.integers(0, (1 << 128) - 1) | st.sampled_from(INTERESTING)).map(IPv6Address)
NEAR_A_MAC = st.integers(0, (1 << 64) - 1).map(lambda low: IPv6Address((0xFE80 << 112) | low))


def mapped(address: Address | str, *subnets: str, key: bytes = b"k") -> Address:
    return ip_address(addresses(*subnets, key=key).ip(str(address)))


def common(one: Address, other: Address) -> int:
    """Bits that both begin with."""
    return one.max_prefixlen - (int(one) ^ int(other)).bit_length()


@given(st.sets(IPV4, max_size=20), KEYS)
def test_no_two_ipv4_addresses_become_one(found: set[IPv4Address], key: bytes) -> None:
    the_map = addresses(key=key)
    assert len({the_map.ip(str(address)) for address in found}) == len(found)


@given(st.sets(IPV6 | NEAR_A_MAC, max_size=20), KEYS)
def test_no_two_ipv6_addresses_become_one(found: set[IPv6Address], key: bytes) -> None:
    the_map = addresses(key=key)
    assert len({the_map.ip(str(address)) for address in found}) == len(found)


@given(st.integers(0, 0xFFFFFF), st.integers(0, 0xFFFFFF), KEYS)
def test_what_begins_alike_goes_on_beginning_alike(one: int, other: int, key: bytes) -> None:
    pair = [IPv4Address((10 << 24) | low) for low in (one, other)]
    images = [mapped(address, key=key) for address in pair]
    assert common(images[0], images[1]) == common(pair[0], pair[1])


@given(st.integers(0, (1 << 120) - 1), st.integers(0, (1 << 120) - 1), KEYS)
def test_so_does_ipv6(one: int, other: int, key: bytes) -> None:
    pair = [IPv6Address((0xFD << 120) | low) for low in (one, other)]
    images = [mapped(address, key=key) for address in pair]
    assert common(images[0], images[1]) == common(pair[0], pair[1])


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), KEYS)
def test_a_public_16_stays_together(one: int, other: int, key: bytes) -> None:
    the_map = addresses(key=key)
    pair = [IPv4Address((0x5BF1 << 16) | low) for low in (one, other)]
    images = [ip_address(the_map.ip(str(address))) for address in pair]
    assert common(images[0], images[1]) == common(pair[0], pair[1])


def networks(draw: st.DrawFn) -> Net:
    """Private and public ones, of both families, that a node could have a route to."""
    block = ip_network(
        draw(
            st.sampled_from(
                ("10.0.0.0/8", "192.168.0.0/16", "91.241.0.0/16", "fd00::/8", "2a01::/16")
            )
        )
    )
    length = draw(st.integers(block.prefixlen, block.max_prefixlen - 2))
    free = length - block.prefixlen
    bits = draw(st.integers(0, (1 << free) - 1)) << (block.max_prefixlen - length)
    kind = IPv4Network if block.version == 4 else IPv6Network
    return kind((int(block.network_address) | bits, length))


@st.composite
def routes(draw: st.DrawFn) -> tuple[list[Net], Address]:
    """Some subnets, one inside of another perhaps, and an address in one of them."""
    nets = draw(st.lists(st.composite(networks)(), min_size=1, max_size=5))
    home = nets[0]
    host = draw(st.integers(0, home.num_addresses - 1))
    if home.prefixlen < 24 and draw(st.booleans()):
        nets.append(
            ip_network(
                (int(home.network_address) + host, 24 if home.version == 4 else 64), strict=False
            )
        )
    return nets, home[host]


@given(routes(), KEYS)
def test_an_address_lies_in_the_subnets_in_which_it_lay(
    given_: tuple[list[Net], Address], key: bytes
) -> None:
    nets, address = given_
    the_map = addresses(*map(str, nets), key=key)
    image = ip_address(the_map.ip(str(address)))
    for net in nets:
        assert (image in ip_network(the_map.network(str(net)))) == (address in net)


@given(routes(), KEYS)
def test_network_first_and_last_address_of_a_subnet_stay_what_they_are(
    given_: tuple[list[Net], Address], key: bytes
) -> None:
    nets, _ = given_
    the_map = addresses(*map(str, nets), key=key)
    for net in nets:
        image = ip_network(the_map.network(str(net)))
        for place in (0, 1, -1):
            assert the_map.ip(str(net[place])) == str(image[place])


def test_flannels_own_addresses_stay_the_first_of_their_subnets() -> None:
    the_map = addresses("10.244.0.0/16", "10.244.1.0/24", "10.244.2.0/24")
    for number in (1, 2):
        image = the_map.network(f"10.244.{number}.0/24")
        assert the_map.ip(f"10.244.{number}.0") == image.partition("/")[0]
        assert the_map.network(f"10.244.{number}.1/24") == f"{ip_network(image)[1]}/24"


@pytest.mark.parametrize(
    "block",
    ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15",
     "192.0.2.0/24", "224.0.0.0/4", "fc00::/7", "fd00::/8", "fe80::/10", "2001:db8::/32",
     "ff00::/8", "::ffff:0:0/96", "64:ff9b::/96"],
)  # fmt: skip
@given(data=st.data(), key=KEYS)
def test_a_special_block_is_not_left(block: str, data: st.DataObject, key: bytes) -> None:
    net = ip_network(block)
    address = net[data.draw(st.integers(0, net.num_addresses - 1))]
    assert mapped(address, key=key) in net


@pytest.mark.parametrize(
    "address",
    ["0.0.0.0", "127.0.0.1", "127.0.0.53", "169.254.169.254", "169.254.20.10", "224.0.0.22",
     "255.255.255.255", "::", "::1", "ff02::1", "ff02::16", "ff02::1:2", "ff05::fb"],
)  # fmt: skip
def test_what_is_the_same_everywhere_stays(address: str) -> None:
    assert str(mapped(address)) == address


@given(IPV4, KEYS)
@example(IPv4Address("8.8.8.8"), b"")
def test_a_public_address_becomes_nobodys(address: IPv4Address, key: bytes) -> None:
    if not any(address in ip_network(block) for block in (*KEPT, *STAYS)):
        assert mapped(address, key=key) in ip_network(RESERVED)


@given(st.integers(0, (1 << 125) - 1), KEYS)
def test_a_public_ipv6_address_becomes_nobodys(low: int, key: bytes) -> None:
    address = IPv6Address((1 << 125) | low)
    if address not in ip_network("2001:db8::/32") and address not in ip_network("3fff::/20"):
        assert mapped(address, key=key) in ip_network("4000::/3")


def test_a_subnet_wider_than_its_new_place_keeps_its_addresses() -> None:
    the_map = addresses("52.0.0.0/10")
    image = ip_network(the_map.network("52.0.0.0/10"))
    assert ip_address(the_map.ip("52.1.2.3")) in image
    assert image not in ip_network("240.0.0.0/4").subnets(new_prefix=10)


def test_a_node_that_uses_the_reserved_block_keeps_public_addresses_out_of_it() -> None:
    the_map = addresses("240.0.0.0/8", "91.241.7.0/24")
    assert ip_address(the_map.ip("240.1.2.3")) in ip_network(the_map.network("240.0.0.0/8"))
    assert ip_address(the_map.ip("91.241.7.5")) not in ip_network("240.0.0.0/4")


def test_halves_of_the_default_route_hold_what_they_held() -> None:
    the_map = addresses("0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1", "2000::/3")
    for net in ("0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "::/0", "::/1"):
        assert the_map.network(net) == net
    assert ip_address(the_map.ip("91.241.7.5")) in ip_network("0.0.0.0/1")
    assert ip_address(the_map.ip("2a01::1")) in ip_network(the_map.network("2000::/3"))


def test_a_full_block_sends_the_rest_elsewhere_and_nothing_twice() -> None:
    the_map = addresses()
    units = [IPv4Address(unit << 16 | 7) for unit in range(0x2000, 0x4000)]
    images = {the_map.ip(str(address)) for address in units}
    assert len(images) == len(units)


@given(st.binary(min_size=6, max_size=6), KEYS)
def test_a_link_local_address_follows_the_mac_that_it_is_made_from(mac: bytes, key: bytes) -> None:
    def eui64(of: bytes) -> str:
        low = bytes((of[0] ^ 2, *of[1:3], 0xFF, 0xFE, *of[3:]))
        return str(IPv6Address(b"\xfe\x80" + bytes(6) + low))

    image = macs(key).packed(mac)
    assert str(mapped(eui64(mac), key=key)) == eui64(image)
    group = addresses(key=key).packed(IPv6Address("ff02::1:ff00:0").packed[:13] + mac[3:])
    assert group[13:] == image[3:] or mac[0] & 1


def test_an_address_in_any_notation_is_the_same_address() -> None:
    assert mapped("fd00:0:0::1") == mapped("FD00::1") == mapped("fd00::1%eth0")


def test_a_mask_is_no_address() -> None:
    assert addresses().network("10.0.0.0/255.0.0.0").endswith("/255.0.0.0")


def test_one_key_one_map_and_another_key_another() -> None:
    assert mapped("10.20.30.40", key=b"a") == mapped("10.20.30.40", key=b"a")
    assert mapped("10.20.30.40", key=b"a") != mapped("10.20.30.40", key=b"b")
