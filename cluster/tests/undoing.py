"""Taking away what a test left, by what differs."""

import re

from cluster.faults.intent import PREFIX
from cluster.setup import NODES, PODS, Cluster
from cluster.tests.whole import Lines


def undo(cluster: Cluster, before: Lines, after: Lines) -> None:
    """Take away what a remedy added: rules, tables, files, entries; set back what it set."""
    known = {_placeless(line) for line in before}
    for line in sorted(after.keys() - before.keys(), reverse=True):
        node, _, what = after[line].partition(": ")
        if node in NODES and _placeless(line) not in known:
            _undo_on(cluster, node, what, before)
        elif annotation := re.match(rf"Node (\S+) ({PREFIX}/\S+) = ", what):
            _annotate_back(cluster, annotation[1], annotation[2], before)
    pods_made_anew(cluster)


def _annotate_back(cluster: Cluster, node: str, key: str, before: Lines) -> None:
    """What flanneld writes, it writes again; what it only reads, nobody else takes away."""
    if not any(line.startswith(f"api: Node {node} {key} = ") for line in before):
        cluster.kubectl("annotate", "node", node, f"{key}-")


def pods_made_anew(cluster: Cluster) -> None:
    """Pods that were deleted, as a Deployment would make them."""
    there = {one["metadata"]["name"] for one in cluster.get("pods")["items"]}
    if not PODS.keys() <= there:
        cluster.make_pods()


def _placeless(line: str) -> str:
    """A rule without its place in its chain."""
    return re.sub(r" \d+: -A", ": -A", line)


def _undo_on(cluster: Cluster, node: str, what: str, before: Lines) -> None:
    run = cluster.places[node].run
    if rule := re.fullmatch(r"(ip6?tables) (\w+) \S+ \d+: -A (.*)", what):
        run("sh", "-c", f"{rule[1]} -t {rule[2]} -D {rule[3]}")
    elif policy := re.fullmatch(r"(ip6?tables) (\w+) :(\S+) DROP", what):
        run(policy[1], "-t", policy[2], "-P", policy[3], "ACCEPT")
    elif table := re.match(r"nft table (\w+) (\S+)", what):
        run("nft", "delete", "table", table[1], table[2])
    elif sysctl := re.fullmatch(r"sysctl (\S+) = .*", what):
        for line in before:
            if line.startswith(f"{node}: sysctl {sysctl[1]} = "):
                run("sysctl", "-qw", f"{sysctl[1]}={line.rpartition(' = ')[2]}")
    elif file := re.fullmatch(r"file (/\S+) = .*", what):
        run("rm", file[1])
    elif leak := re.fullmatch(r"leaked (\S+)", what):
        # containerd deletes a pod by the configuration that it has by then: another CNI's, too
        run("rm", "-f", f"/var/lib/cni/networks/cbr0/{leak[1]}")
    elif route := re.match(r"route (\S+) gateway (\S+) dev (flannel\S+)", what):
        run("ip", "route", "del", route[1], "via", route[2], "dev", route[3])
    elif neighbour := re.match(r"neigh (\S+) dev (flannel\S+) ", what):
        run("ip", "neigh", "del", neighbour[1], "dev", neighbour[2])
    elif entry := re.match(r"fdb (\S+) ifname (\S+) (\S+)", what):
        run("bridge", "fdb", "del", entry[1], "dev", entry[2], "dst", entry[3], "self")
