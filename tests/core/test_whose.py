"""Whose an address is: the narrowest leased subnet that holds it."""

from tracer.core.whose import NOBODY, Whose
from tracer.model.lease import Lease


def lease(node: str, cidr: str) -> Lease:
    return Lease(
        node=node, family=6 if ":" in cidr else 4, pod_cidr=cidr, backend_type="vxlan", vni=1,
        vtep_mac=None, public_ip=None, source=f"Node/{node}",
    )  # fmt: skip


def whose(*leases: Lease) -> Whose:
    made = Whose("node-a")
    made.hold({one.node: [one] for one in leases})
    return made


def test_an_address_is_of_the_node_that_leases_its_subnet() -> None:
    made = whose(lease("node-b", "10.244.2.0/24"), lease("node-c", "fd00:10:244:3::/64"))
    assert made.of("10.244.2.255") == ("node-b", "10.244.2.0/24")
    assert made.of("fd00:10:244:3::9") == ("node-c", "fd00:10:244:3::/64")
    assert made.of("10.244.3.1") == NOBODY
    assert made.of("fd00:10:244:4::9") == NOBODY


def test_the_narrowest_subnet_wins() -> None:
    made = whose(lease("node-b", "10.244.0.0/16"), lease("node-c", "10.244.3.0/25"))
    assert made.of("10.244.3.127") == ("node-c", "10.244.3.0/25")
    assert made.of("10.244.3.128") == ("node-b", "10.244.0.0/16")


def test_the_own_subnet_is_nobodys_here() -> None:
    assert whose(lease("node-a", "10.244.1.0/24")).of("10.244.1.2") == NOBODY


def test_a_lease_that_went_or_moved_holds_nothing_any_more() -> None:
    made = whose(lease("node-b", "10.244.2.0/24"))
    made.hold({"node-b": [lease("node-b", "10.244.9.0/24")]})
    assert made.of("10.244.2.2") == NOBODY
    assert made.of("10.244.9.2") == ("node-b", "10.244.9.0/24")
    made.hold({"node-b": []})
    assert made.of("10.244.9.2") == NOBODY


def test_a_subnet_that_another_has_taken_over_stays_its_own() -> None:
    made = whose(lease("node-b", "10.244.2.0/24"), lease("node-c", "10.244.2.0/24"))
    made.hold({"node-b": []})
    assert made.of("10.244.2.2") == ("node-c", "10.244.2.0/24")
    made.hold({"node-c": []})
    assert made.of("10.244.2.2") == NOBODY


def test_a_subnet_that_two_leased_is_the_first_ones_again_when_the_second_gives_it_up() -> None:
    made = whose(lease("node-b", "10.244.2.0/24"), lease("node-c", "10.244.2.0/24"))
    made.hold({"node-c": [lease("node-c", "10.244.3.0/24")]})
    assert made.of("10.244.2.2") == ("node-b", "10.244.2.0/24")
    assert made.of("10.244.3.2") == ("node-c", "10.244.3.0/24")
