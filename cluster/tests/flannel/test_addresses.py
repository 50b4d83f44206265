"""Which interface and address flanneld takes, and which address it publishes."""

import pytest

from cluster.setup import GATEWAY
from cluster.spare import Spare
from cluster.tests.flannel.conftest import ADDRESS
from cluster.tests.flannel.paper import Paper
from cluster.tests.flannel.seen import link

ELSEWHERE = "203.0.113.5"
SECOND = "198.51.100.13"


def local(spare: Spare) -> str:
    """From where flannel.1 sends, and by which device."""
    data = link(spare.place)["linkinfo"]["info_data"]
    return f"{data['local']} {data['link']}"


@pytest.fixture
def second(spare: Spare) -> str:
    """A second interface, mgmt0, as one has for management."""
    spare.sh("ip link add mgmt0 type veth peer name far0")
    spare.place.run("ip", "link", "set", "far0", "up")
    spare.place.run("ip", "address", "add", f"{SECOND}/24", "dev", "mgmt0")
    spare.place.run("ip", "link", "set", "mgmt0", "up")
    return "mgmt0"


def test_of_two_default_routes_the_one_with_the_lower_metric_decides(
    spare: Spare, second: str
) -> None:
    """flanneld takes the first that the kernel lists; the kernel lists them by metric."""
    run = spare.place.run
    run("ip", "route", "del", "default")
    run("ip", "route", "add", "default", "via", GATEWAY, "metric", "100")
    run("ip", "route", "add", "default", "via", "198.51.100.1", "dev", second, "metric", "50")
    spare.start()
    assert local(spare) == f"{SECOND} {second}"
    run("ip", "route", "del", "default", "dev", second)
    run("ip", "route", "add", "default", "via", "198.51.100.1", "dev", second, "metric", "200")
    spare.restart()
    assert local(spare) == f"{ADDRESS} eth0"
    assert spare.annotations()["public-ip"] == ADDRESS


@pytest.mark.parametrize(
    "flag",
    [f"--iface={SECOND}", "--iface=mgmt0", "--iface-regex=^mgmt", "--iface-can-reach=198.51.100.7"],
)
def test_a_flag_chooses_another_interface(spare: Spare, second: str, flag: str) -> None:
    spare.start("--iface=nowhere0", flag) if flag.startswith("--iface=") else spare.start(flag)
    assert local(spare) == f"{SECOND} {second}"
    assert spare.annotations()["public-ip"] == SECOND


def test_without_a_default_route_and_a_flag_there_is_no_interface(spare: Spare) -> None:
    spare.place.run("ip", "route", "del", "default")
    said = spare.last_words()
    assert (
        "Failed to find any valid interface to use: failed to get default interface:"
        " unable to find default route" in said
    )


def test_a_permanent_address_is_taken_before_one_of_dhcp(spare: Spare) -> None:
    """As keepalived's or kube-vip's virtual address is, on a node with DHCP."""
    lease = ["valid_lft", "3600", "preferred_lft", "3600"]
    run = spare.place.run
    run("ip", "address", "change", f"{ADDRESS}/24", "dev", "eth0", *lease)
    run("ip", "address", "add", "192.168.79.200/32", "dev", "eth0")
    spare.start()
    assert spare.annotations()["public-ip"] == "192.168.79.200"


def test_the_first_of_two_permanent_addresses_is_taken(spare: Spare) -> None:
    spare.place.run("ip", "address", "add", "192.168.79.200/32", "dev", "eth0")
    spare.start()
    assert spare.annotations()["public-ip"] == ADDRESS


def test_a_deprecated_address_is_not_taken(spare: Spare) -> None:
    run = spare.place.run
    run("ip", "address", "add", "192.168.79.200/32", "dev", "eth0")
    run("ip", "address", "change", f"{ADDRESS}/24", "dev", "eth0", "preferred_lft", "0")
    spare.start()
    assert spare.annotations()["public-ip"] == "192.168.79.200"


def test_the_address_is_chosen_once(spare: Spare, paper: Paper) -> None:
    run, new = spare.place.run, "192.168.79.113"
    run("ip", "address", "add", f"{new}/32", "dev", "eth0")
    # flanneld's own connection outlives the change
    run("ip", "route", "add", "192.168.79.10", "dev", "eth0", "src", new)
    spare.start()
    run("ip", "address", "del", f"{ADDRESS}/24", "dev", "eth0")
    run("ip", "route", "add", "192.168.79.0/24", "dev", "eth0")
    run("ip", "route", "replace", "default", "via", GATEWAY)
    paper.settle(spare.place)
    assert spare.annotations()["public-ip"] == ADDRESS
    assert local(spare) == f"{ADDRESS} eth0"
    before = link(spare.place)["ifindex"]
    spare.restart()
    assert spare.annotations()["public-ip"] == new
    assert local(spare) == f"{new} eth0"
    assert link(spare.place)["ifindex"] != before


def test_public_ip_overwrite_is_published_and_the_device_sends_from_the_nodes_own_address(
    spare: Spare,
) -> None:
    spare.annotate(f"public-ip-overwrite={ELSEWHERE}")
    spare.start()
    assert spare.annotations()["public-ip"] == ELSEWHERE
    assert local(spare) == f"{ADDRESS} eth0"
    spare.annotate("public-ip-overwrite-")
    assert spare.annotations()["public-ip"] == ELSEWHERE
    spare.restart()
    assert spare.annotations()["public-ip"] == ADDRESS


def test_node_public_ip_chooses_the_interface_that_has_it(spare: Spare, second: str) -> None:
    spare.annotate(f"node-public-ip={SECOND}")
    spare.start()
    assert spare.annotations()["public-ip"] == SECOND
    assert local(spare) == f"{SECOND} {second}"


def test_node_public_ip_must_be_an_address_of_the_node(spare: Spare) -> None:
    spare.annotate(f"node-public-ip={ELSEWHERE}")
    said = spare.last_words()
    assert f"error looking up interface {ELSEWHERE}: no interface with given IP found" in said


def test_so_must_public_ip_where_no_interface_is_named(spare: Spare) -> None:
    said = spare.last_words(f"--public-ip={ELSEWHERE}")
    assert f"error looking up interface {ELSEWHERE}: no interface with given IP found" in said


def test_public_ip_with_an_interface_may_be_foreign_and_then_the_device_sends_from_it(
    spare: Spare,
) -> None:
    """And nothing leaves: the node does not have that address."""
    spare.start("--iface=eth0", f"--public-ip={ELSEWHERE}")
    assert spare.annotations()["public-ip"] == ELSEWHERE
    assert local(spare) == f"{ELSEWHERE} eth0"
