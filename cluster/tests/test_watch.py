"""A watch on the real cluster: joined to the agents for a while, and in pods of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cluster.faults import FAULTS
from cluster.faults.intent import annotate
from cluster.faults.tables import VTEP, lease
from cluster.setup import NODES, Cluster
from cluster.tests.clock import Clock
from cluster.tests.conftest import TryOut
from cluster.tests.flantrace import Flantrace, typed
from cluster.tests.watches import Pods, joined
from cluster.tests.watching import nothing_is_left, pinging, until
from cluster.tests.ways import IMAGE
from cluster.tests.whole import Lines, whole
from tests.state_lines import difference
from tracer.install.manifests import AGENT
from tracer.install.watch import WATCH
from tracer.model.watch import HOOKS

OPENS_S = 10
CLOSES_S = 15
"""After the repair; what flanneld has to write first comes on top of it."""
KUBELET_S = 60
"""A container ends, and its pod is gone."""
INSTALL = ("install", "--image", IMAGE, "--pull-policy", "Never")


def test_a_watch_that_joins_the_agents_says_nothing_of_a_healthy_cluster(
    installed: Cluster, flantrace: Flantrace, clock: Clock
) -> None:
    with pinging(installed), clock("watch"):
        done = flantrace.run("watch", "--for", "20s")
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    assert "  watching node-a, node-b: 2 leases, heard of " in line
    assert ", no finding open, " in line
    nothing_is_left(installed)


@contextmanager
def lossy(cluster: Cluster) -> Iterator[None]:
    """The network between the nodes loses every third VXLAN packet: no table of theirs shows it."""
    nft = cluster.places["underlay"].run
    nft("nft", "add table bridge t; add chain bridge t f { type filter hook forward priority 0; }")
    nft("nft", "add rule bridge t f udp dport 8472 numgen inc mod 3 0 drop")
    try:
        yield
    finally:
        nft("nft", "delete table bridge t")


def test_what_is_lost_between_two_nodes_is_counted_by_a_watch_that_joins_them(
    installed: Cluster, clock: Clock
) -> None:
    with pinging(installed), joined(installed) as line:
        assert ", no finding open, " in line(" watching node-a, node-b: ")
        with lossy(installed), clock("opened"):
            found = line(" OPENED ")
        with clock("closed"):
            line(" CLOSED ")
    assert "Packets of node-a for node-b leave, and do not come in there" in found
    nothing_is_left(installed)


@pytest.fixture(scope="module")
def fleet(cluster: Cluster, flantrace: Flantrace, before: Lines) -> Iterator[Pods]:
    """A watch in a pod on each node, while pods ping each other; without it all is as it was."""
    flantrace.way()
    done = typed(cluster, *INSTALL, "--watch")
    assert (done.returncode, done.stdout) == (0, "flantrace runs on 2 nodes\n"), done.stderr
    with pinging(cluster), pinging(cluster, "db-b", "db-a"):
        yield Pods(cluster)
    done = typed(cluster, *INSTALL)
    assert (done.returncode, done.stdout) == (0, "flantrace runs on 2 nodes\n"), done.stderr
    until(lambda: not remains(cluster), "a watch stayed", KUBELET_S)
    assert cluster.get("-n", "flantrace", "daemonset", AGENT)["status"]["numberReady"] == len(NODES)
    assert not difference(list(before), list(whole(cluster)))


@pytest.fixture
def pods(fleet: Pods) -> Pods:
    """The same; what was said before the test is no affair of its."""
    fleet.turn_over()
    return fleet


def remains(cluster: Cluster) -> list[str]:
    """What there is of the watch in the cluster; its role is one that people may have, too."""
    kinds = "daemonsets,pods,serviceaccounts,clusterrolebindings"
    found = cluster.kubectl("get", kinds, "-A", "-o", "name").splitlines()
    return [line for line in found if WATCH in line]


def test_in_pods_it_is_ready_on_every_node_and_counts_the_peers_packets(
    pods: Pods,
) -> None:
    """What the kubelet's probes ask is what tells them ready."""
    assert pods.status()["numberReady"] == len(NODES)
    for node, peer in (("node-a", "node-b"), ("node-b", "node-a")):
        assert pods.answer(node, "/healthz") == "watching\n\n"
        pods.begins(node)
        for hook in HOOKS:
            pods.counts_on(node, peer, hook)
    said_only(pods, set())


def test_an_fdb_entry_that_is_lost_opens_a_finding_and_its_return_closes_it(
    pods: Pods, cluster: Cluster, try_out: TryOut, clock: Clock, tmp_path: Path
) -> None:
    """And a recording of it, fetched from the pod, says the same."""
    trial = try_out(FAULTS["fdb-missing"])
    _, mac, ip = lease(cluster, "node-b")
    trial.inject()
    with clock("opened"):
        pods.says("node-a", ("OPENED", "fdb-missing"), OPENS_S)
    words = ("dev", VTEP, "dst", ip, "self", "permanent")
    cluster.places["node-a"].run("bridge", "fdb", "append", mac, *words)
    with clock("closed"):
        pods.says("node-a", ("CLOSED", "fdb-missing"), CLOSES_S)
    said_only(pods, {("node-a", "fdb-missing")})
    kept = pods.recordings("node-a", tmp_path)
    replayed = [typed(cluster, "replay", str(one)) for one in kept]
    assert any(one.returncode == 1 and "fdb-missing" in one.stdout for one in replayed), replayed


def test_a_stale_annotation_opens_a_finding_on_both_nodes_and_the_right_one_closes_them(
    pods: Pods, cluster: Cluster, try_out: TryOut, clock: Clock
) -> None:
    """Its own node knows by its device; the other one by frames, which have several causes."""
    trial = try_out(FAULTS["vtepmac-annotation-stale"])
    key = "flannel.alpha.coreos.com/backend-data"
    right = cluster.get("node", "node-b")["metadata"]["annotations"][key]
    stale = "vtepmac-annotation-stale"
    trial.inject()
    with clock("opened"):
        for node in NODES:
            pods.says(node, ("OPENED", stale), OPENS_S)
    cluster.kubectl(*annotate("node-b", "backend-data", right))
    with clock("closed"):
        for node in NODES:
            pods.says(node, ("CLOSED", stale), CLOSES_S)
    said_only(pods, {(node, stale) for node in NODES})


def said_only(pods: Pods, expected: set[tuple[str, str]]) -> None:
    """Nothing else was opened since the test began, all is closed, and no watch was ended."""
    pods.until(lambda: not pods.open(), "something stays open", CLOSES_S)
    assert pods.opened() == expected, pods.told()
    assert set(pods.restarts().values()) == {0}
