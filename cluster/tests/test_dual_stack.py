"""A second cluster, with IPv6 beside IPv4: what flannel makes of it, and what flantrace says."""

from collections.abc import Iterator

import pytest

from cluster.faults.intent import configure, restart_flannel, rolled_out
from cluster.faults.pods import pods_anew
from cluster.paths import name
from cluster.setup import Cluster, down, up
from cluster.spare import PREFIX
from cluster.tests.flantrace import Flantrace
from cluster.tests.remains import Machine, remains
from cluster.tests.ways import by_a_command

DUAL = {"EnableIPv6": True, "IPv6Network": "fd24::/48"}
RESTART_ALL = ("-n", "kube-flannel", "rollout", "restart", "daemonset/kube-flannel-ds")


@pytest.fixture(scope="module")
def dual() -> Iterator[Cluster]:
    """Its name is that of the first cluster and a 6."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLANTRACE_CLUSTER", f"{name()[:11]}6")
        down()
        before = Machine.now()
        try:
            yield up(dual_stack=True)
        finally:
            down()
        assert remains(before) == []


@pytest.fixture(scope="module")
def flantrace(dual: Cluster) -> Flantrace:
    """At the operator's place of that cluster."""
    return Flantrace(dual, by_a_command)


def test_nodes_have_a_pod_cidr_and_a_lease_and_pods_an_address_of_each_family(
    dual: Cluster,
) -> None:
    for node in dual.get("nodes")["items"]:
        assert [":" in cidr for cidr in node["spec"]["podCIDRs"]] == [False, True]
        for key in ("backend-data", "backend-v6-data", "public-ip", "public-ipv6"):
            assert f"{PREFIX}/{key}" in node["metadata"]["annotations"]
    for pod in dual.get("pods")["items"]:
        assert [":" in one["ip"] for one in pod["status"]["podIPs"]] == [False, True]


def test_as_configured_by_default_ipv6_lacks_twenty_bytes_until_the_printed_mtu_is_named(
    dual: Cluster, flantrace: Flantrace
) -> None:
    assert verdict(flantrace, 4) == "delivered"
    assert verdict(flantrace, 6) == "ipv6-underlay-mtu-70"
    found = flantrace.check()
    assert found.named() == {"ipv6-underlay-mtu-70"}
    assert found.fix("ipv6-underlay-mtu-70")[0].startswith("name 1480 as Backend.MTU")
    _name_the_mtu(dual)
    assert flantrace.check().healthy
    assert [verdict(flantrace, family) for family in (4, 6)] == ["delivered"] * 2


def test_a_mac_of_one_family_that_changes_is_kept_from_peers_until_they_restart(
    dual: Cluster, flantrace: Flantrace
) -> None:
    if not flantrace.check().healthy:
        _name_the_mtu(dual)
    dual.places["node-b"].run("ip", "link", "set", "flannel.1", "address", "02:bb:00:00:00:77")
    for _ in range(2):
        # a second restart there is no use
        restart_flannel(dual, "node-b")
        assert verdict(flantrace, 4) == "dualstack-update-ignored"
    assert verdict(flantrace, 6) == "delivered"
    found = flantrace.check()
    assert found.named() == {"dualstack-update-ignored"}
    assert f"kubectl {' '.join(RESTART_ALL)}" in found.fix("dualstack-update-ignored")
    dual.kubectl(*RESTART_ALL)
    rolled_out(dual)
    assert flantrace.check().healthy


def verdict(flantrace: Flantrace, family: int) -> str:
    """What a trace says: its rule, or how it ended."""
    answer = flantrace.trace("web-a", "web-b", "--family", str(family))
    print(answer, answer.document["verdict"]["sentence"], sep="\n")
    return answer.verdict


def _name_the_mtu(cluster: Cluster) -> None:
    """What the finding prints, with the editing done."""
    configure(cluster, **DUAL, Backend={"Type": "vxlan", "MTU": 1480})
    cluster.kubectl(*RESTART_ALL)
    rolled_out(cluster)
    pods_anew(cluster)
