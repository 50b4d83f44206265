"""flannel.1: how it is made, and when an existing one is made anew."""

import pytest

from cluster.setup import Cluster
from cluster.spare import NET_CONF, Spare
from cluster.tests.flannel.conftest import ADDRESS
from cluster.tests.flannel.paper import MAC, Paper, backend_data
from cluster.tests.flannel.seen import addresses, link, tables

CIDR = "10.244.88.0/24"
GIVEN = "02:cc:00:00:00:42"


def backend(**keys: object) -> dict[str, object]:
    """net-conf.json with these keys of the backend."""
    return {**NET_CONF, "Backend": {"Type": "vxlan", **keys}}


def test_it_is_made_with_these_attributes(observer: Spare) -> None:
    device = link(observer.place)
    data = device["linkinfo"]["info_data"]
    assert {key: data.get(key) for key in ("id", "local", "link", "port", "learning", "gbp")} == {
        "id": 1, "local": ADDRESS, "link": "eth0", "port": 8472, "learning": False, "gbp": None,
    }  # fmt: skip
    assert (device["mtu"], data["ttl"], data["udp_csum"]) == (1450, 0, True)
    assert not {"group", "remote"} & set(data)
    assert {"UP", "LOWER_UP"} <= set(device["flags"])
    assert addresses(observer.place) == {"10.244.77.0/32"}
    assert observer.place.read("/proc/sys/net/ipv6/conf/flannel.1/accept_ra") == "0\n"


def test_its_mac_is_one_that_was_set_and_not_one_that_the_kernel_drew(cluster: Cluster) -> None:
    place = cluster.places["node-a"]
    assert place.read("/sys/class/net/flannel.1/addr_assign_type") == "3\n"


def test_it_is_kept_over_a_restart_with_what_stands_in_it(observer: Spare, paper: Paper) -> None:
    paper.make("node-x", CIDR)
    paper.settle(observer.place)
    before, seen = link(observer.place)["ifindex"], tables(observer.place)
    observer.restart()
    assert link(observer.place)["ifindex"] == before
    assert tables(observer.place) == seen


def test_another_port_in_the_configuration_makes_it_anew_and_none_does_not(spare: Spare) -> None:
    spare.start()
    spare.restart(net_conf=backend(Port=4789))
    assert link(spare.place)["linkinfo"]["info_data"]["port"] == 4789
    assert "already exists with incompatible configuration: port: 4789 vs 8472" in spare.log()
    spare.restart()
    assert link(spare.place)["linkinfo"]["info_data"]["port"] == 4789


def test_another_address_or_gbp_makes_it_anew(spare: Spare) -> None:
    spare.start()
    spare.place.run("ip", "address", "add", "192.168.79.113/24", "dev", "eth0")
    spare.restart("--iface=192.168.79.113")
    assert f"vtep (external) IP: 192.168.79.113 vs {ADDRESS}" in spare.log()
    spare.restart("--iface=192.168.79.113", net_conf=backend(GBP=True))
    assert "gbp: true vs false" in spare.log()


def test_another_mtu_or_learning_does_not_though_subnet_env_follows(spare: Spare) -> None:
    spare.start()
    before = link(spare.place)
    spare.restart(net_conf=backend(MTU=1400, Learning=True))
    after = link(spare.place)
    assert (after["ifindex"], after["mtu"]) == (before["ifindex"], 1450)
    assert after["linkinfo"]["info_data"]["learning"] is False
    assert "FLANNEL_MTU=1350\n" in spare.place.read("/run/flannel/subnet.env")


def test_nor_does_a_smaller_uplink(spare: Spare) -> None:
    spare.start()
    spare.place.run("ip", "link", "set", "eth0", "mtu", "1400")
    spare.restart()
    assert link(spare.place)["mtu"] == 1450
    assert "FLANNEL_MTU=1350\n" in spare.place.read("/run/flannel/subnet.env")


def test_a_device_of_another_vni_with_its_name_is_made_anew(spare: Spare) -> None:
    spare.sh("ip link add flannel.1 type vxlan id 9 dstport 8472 dev eth0")
    spare.start()
    assert "vni: 1 vs 9" in spare.log()
    assert link(spare.place)["linkinfo"]["info_data"]["id"] == 1


def test_another_vni_makes_a_second_device_and_leaves_the_first(spare: Spare, paper: Paper) -> None:
    spare.start()
    paper.make("node-x", CIDR)
    paper.settle(spare.place)
    spare.restart(net_conf=backend(VNI=2))
    paper.settle(spare.place)
    first, second = link(spare.place), link(spare.place, "flannel.2")
    assert first["address"] == second["address"]
    assert addresses(spare.place) == addresses(spare.place, "flannel.2") == {"10.244.77.0/32"}
    assert "UP" in first["flags"]
    assert tables(spare.place).neighbours == {"10.244.88.0": MAC}
    assert tables(spare.place).routes == {CIDR: "via 10.244.88.0 dev flannel.2 onlink"}
    assert spare.annotations()["backend-data"] == backend_data(first["address"], vni=2)


def test_addresses_of_the_pods_network_are_cleared_off_it_and_others_stay(spare: Spare) -> None:
    spare.start()
    for address in ("10.244.50.0/32", "10.99.0.1/32"):
        spare.place.run("ip", "address", "add", address, "dev", "flannel.1")
    spare.restart()
    assert addresses(spare.place) == {"10.244.77.0/32", "10.99.0.1/32"}


@pytest.mark.parametrize("key", ["vni", "VNI", "Vni"])
def test_the_case_of_the_configurations_keys_does_not_matter(spare: Spare, key: str) -> None:
    spare.start(net_conf=backend(**{key: 5}))
    assert link(spare.place, "flannel.5")["linkinfo"]["info_data"]["id"] == 5


def test_flanneld_does_not_touch_forwarding_or_the_reverse_path_filter(spare: Spare) -> None:
    paths = [
        f"/proc/sys/net/ipv4/{key}"
        for key in ("ip_forward", "conf/all/rp_filter", "conf/default/rp_filter")
    ]
    spare.place.run("sysctl", "-qw", "net.ipv4.ip_forward=0")
    before = [spare.place.read(path) for path in paths]
    spare.start()
    assert [spare.place.read(path) for path in paths] == before
