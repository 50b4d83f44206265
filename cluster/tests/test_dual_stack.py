"""A second cluster, with IPv6 beside IPv4: what flannel makes of it, and what flantrace says."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from cluster.build import programs
from cluster.daemons import until
from cluster.faults.intent import configure, restart_flannel, rolled_out
from cluster.faults.pods import pods_anew
from cluster.paths import KUBECONFIG, ROOT, name, state
from cluster.setup import Cluster, down, up
from cluster.shell import PATH
from cluster.spare import PREFIX

DUAL = {"EnableIPv6": True, "IPv6Network": "fd24::/48"}
NODE_EXEC = f"{sys.executable} -m cluster in {{node}}"


@pytest.fixture(scope="module")
def dual() -> Iterator[Cluster]:
    """Its name is that of the first cluster and a 6."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLANTRACE_CLUSTER", f"{name()[:11]}6")
        down()
        try:
            yield up(dual_stack=True)
        finally:
            down()


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
    dual: Cluster,
) -> None:
    assert verdict(dual, "web-a", "web-b", "--family", "4") == "delivered"
    assert verdict(dual, "web-a", "web-b", "--family", "6") == "ipv6-underlay-mtu-70"
    assert named(dual) == {"ipv6-underlay-mtu-70"}
    configure(dual, **DUAL, Backend={"Type": "vxlan", "MTU": 1480})
    dual.kubectl("-n", "kube-flannel", "rollout", "restart", "daemonset/kube-flannel-ds")
    rolled_out(dual)
    pods_anew(dual)
    assert named(dual) == set()
    for family in ("4", "6"):
        assert verdict(dual, "web-a", "web-b", "--family", family) == "delivered"


def test_a_mac_of_one_family_that_changes_is_kept_from_peers_until_they_restart(
    dual: Cluster,
) -> None:
    dual.places["node-b"].run("ip", "link", "set", "flannel.1", "address", "02:bb:00:00:00:77")
    restart_flannel(dual, "node-b")
    assert verdict(dual, "web-a", "web-b", "--family", "4") == "dualstack-update-ignored"
    assert verdict(dual, "web-a", "web-b", "--family", "6") == "delivered"
    assert named(dual) == {"dualstack-update-ignored"}
    restart_flannel(dual, "node-b")
    assert named(dual) == {"dualstack-update-ignored"}, "a second restart there is no use"
    dual.kubectl("-n", "kube-flannel", "rollout", "restart", "daemonset/kube-flannel-ds")
    rolled_out(dual)
    until("it heals", lambda: named(dual) == set(), 20)


def verdict(cluster: Cluster, *words: str) -> str:
    """What a trace says: its rule, or how it ended."""
    found = flantrace(cluster, *words)["verdict"]
    return str(found["rule"] or found["outcome"])


def named(cluster: Cluster) -> set[str]:
    """The rules that a check names."""
    return {one["rule"] for one in flantrace(cluster, "check")["findings"]}


def flantrace(cluster: Cluster, *words: str) -> dict[str, Any]:
    """flantrace at the operator's place, as JSON."""
    environ = {
        "FLANTRACE_CLUSTER": name(),
        "HOME": os.environ.get("HOME", "/root"),
        "KUBECONFIG": str(state() / KUBECONFIG),
        "PATH": f"{programs()}:{PATH}",
        "PYTHONPATH": str(ROOT),
    }
    options = ("--no-save", "--json", "--node-exec", NODE_EXEC)
    done = subprocess.run(
        [*cluster.operator.enter, sys.executable, "-m", "tracer", *words, *options],
        capture_output=True,
        text=True,
        check=False,
        env=environ,
        timeout=180,
    )
    assert done.stdout.startswith("{"), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
