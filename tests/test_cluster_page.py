"""docs/reference/real-cluster.md lists what is broken on the real cluster. --update-golden."""

from pathlib import Path

from cluster.build import FLANNEL, KUBERNETES
from cluster.faults import FAULTS
from cluster.faults.fault import Fault
from tests.conftest import Golden
from tracer.core.rules.catalogue import CATALOGUE, slug

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "real-cluster.md"
ENOUGH = 20

HEAD = f"""# Faults on a real cluster

`make cluster-test` brings up Kubernetes {KUBERNETES.removeprefix("v")} with flannel \
{FLANNEL.removeprefix("v")} in namespaces of one machine, two nodes
([how](../how-to/use-the-real-cluster.md)), and breaks it as it breaks in the field; flanneld,
kubelet and kube-proxy do the rest. A test writes this page; nobody edits it.

* Each fault is named by its rule, and no other error is found: by a **trace** of web-a to web-b,
  and by a **check**, where it stands in a table.
* **fix**: every way out that the finding prints is run, word by word; then packets arrive, and
  nothing is found any more. What the fix says in words only is done as well.
* **no use**: something that the finding says not to help is run, and does not. So is what was tried
  in the incident that this tool comes from ([vtepmac-annotation-stale](../rules/\
vtepmac-annotation-stale.md)): removing /var/lib/cni/flannel, and deleting the devices.
* On the healthy cluster nothing is found: before and after flannel is rolled out anew.

| fault | rule | trace | check | fix | no use |
|---|---|---|---|---|---|
"""

TAIL = """
## Under a watch

`cluster/tests/test_watch.py` watches it in both ways, while pods ping each other.

| watch | what happens | what it says |
|---|---|---|
| `flantrace watch`, by the agents | nothing | nothing, for 20 s |
| | the network between the nodes loses every third VXLAN packet, which no table shows | \
[unexplained-loss](../rules/unexplained-loss.md) opens within 30 s, and closes within 30 s |
| `flantrace install --watch`, in pods | nothing | the kubelet finds it ready; the peer's packets \
are counted at all six hooks |
| | node-a loses the FDB entry of node-b | [fdb-missing](../rules/fdb-missing.md) opens within \
10 s, and closes within 15 s of its return; a recording fetched from the pod replays to it |
| | node-b's annotation promises another MAC | [vtepmac-annotation-stale]\
(../rules/vtepmac-annotation-stale.md) opens on both nodes within 10 s, and closes within 15 s of \
the right one |

After that `flantrace install` takes the watch away, and the cluster is as it was.

## Elsewhere, or not at all

| what | where it was tried |
|---|---|
| [dualstack-update-ignored](../rules/dualstack-update-ignored.md), [ipv6-underlay-mtu-70]\
(../rules/ipv6-underlay-mtu-70.md) | on a dual-stack cluster, by `make cluster-test-all` |
| podcidr-moved-race, [rules-flushed](../rules/rules-flushed.md): what flanneld does | \
[flannel, as it behaves](flannel-behaviour.md), by `make cluster-test-all` |
| [cloud-sg-8472](../rules/cloud-sg-8472.md) | the same packets as nsx-intercepts-8472; told apart \
by nothing on a node |
| [public-ip-nat](../rules/public-ip-nat.md) | in the lab: between these nodes is no NAT. What \
public-ip-overwrite does was seen (flannel-behaviour) |
| [vxlan-module-missing](../rules/vxlan-module-missing.md) | in a constructed \
recording: VXLAN is built into this kernel |
| [neigh-table-overflow](../rules/neigh-table-overflow.md) | in a constructed \
recording: the table's limit is the machine's, not a namespace's |
"""


def row(fault: Fault) -> str:
    """A line of the table."""
    cells = (
        fault.name,
        f"[{fault.slug}](../rules/{fault.slug}.md)",
        "named" if fault.trace else "-",
        "named" if fault.check else "-",
        "run" if fault.obey else "-",
        "run" if fault.useless is not None else "-",
    )
    return f"| {' | '.join(cells)} |\n"


def test_the_page_lists_what_is_broken_on_the_real_cluster(golden: Golden) -> None:
    golden(PAGE, HEAD + "".join(row(fault) for fault in FAULTS.values()) + TAIL)


def test_there_are_enough_of_them_and_each_is_a_rules_affair() -> None:
    assert len(FAULTS) >= ENOUGH
    assert {fault.slug for fault in FAULTS.values()} <= {slug(rule) for rule in CATALOGUE}
    assert all(fault.heal is not None for fault in FAULTS.values() if not fault.obey)
