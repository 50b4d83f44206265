"""docs/reference/metrics.md is what the code exposes. Written by --update-golden."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, ProcessCollector

from tests.conftest import Golden
from tests.watching.deployed import (
    OF_PROMETHEUS,
    OF_THE_PROCESS,
    RECORDED,
    ROOT,
    SCRAPED,
    metrics_in,
    queries,
    rules,
)
from tests.watching.test_accounts import BOUND
from tracer.model.watch import HOOKS
from tracer.watching import healthz
from tracer.watching.accounts import (
    DEVIATIONS,
    MOST_CAUSES,
    MOST_DROPS,
    MOST_PEERS,
    NOBODY,
    OTHER,
    UNKNOWN,
)
from tracer.watching.described import METRICS
from tracer.watching.httpd import MOST_CLIENTS, PATIENCE_S
from tracer.watching.metrics import MOST_NODES

PAGE = ROOT / "docs" / "reference" / "metrics.md"

AT = {
    "from_pod": "into the bridge, from a pod",
    "to_pod": "out of the bridge, to a pod",
    "vtep_in": "in by flannel.1, decapsulated",
    "vtep_out": "out by flannel.1, to be encapsulated",
    "uplink_in": "in by the uplink, in VXLAN or plain",
    "uplink_out": "out by the uplink, in VXLAN or plain",
}

HOW = {
    "no-lease": (
        "to or from an address of the cluster's network that nobody leases",
        "stale-route-deleted-node",
    ),
    "peer-mac": (
        "leaves with an inner destination MAC that is not the peer's VtepMAC",
        "neigh-stale-one-node",
    ),
    "own-mac": (
        "arrives with an inner destination MAC that is not this node's VTEP's",
        "vtepmac-annotation-stale",
    ),
    "sender-mac": (
        "arrives with an inner source MAC that is not the sender's VtepMAC",
        "mac-changed-under-running-flannel",
    ),
    "outer-dst": ("the underlay's destination is not the lease's address", "fdb-wrong-dst-live"),
    "outer-src": (
        "the underlay's source is not the lease's address",
        "node-ip-changed-vxlan-local-stale",
    ),
    "vni": ("another VXLAN network identifier", "vni-mismatch"),
    "port": ("another UDP port", "port-mismatch"),
    "plain": ("on the uplink without encapsulation", "routes-lost"),
}

HEAD = f"""# Metrics

What `flantrace watch --metrics [ADDR]:PORT` shows to Prometheus. A test writes this page from the
code; nobody edits it. How to use them: [watch with Prometheus](../how-to/watch-with-prometheus.md).

Prometheus' text format or OpenMetrics, as the scraper asks, gzip if it wants; at any path but
`{healthz.PATH}`, which tells a kubelet whether the watch still turns.
Without ADDR it listens on the loopback. There is no password and no TLS: the labels have names of
nodes and of kernel functions, and no address, no pod and no payload. At most {MOST_CLIENTS} clients
at a time, {PATIENCE_S:.0f} s for one that says nothing.

"""

BOUNDS = f"""
## How many there are

At most {BOUND:,} series a watched node, whatever happens in the cluster; a test counts them with
5,000 peers in every kind of trouble. Beside them a process has one for each rule, and the findings
that are open, by {MOST_NODES} nodes.

* `peer`: the first {MOST_PEERS} peers with traffic have a label of their own and keep it while the
  process lives; of those that come in the same period, the busiest. All others are summed as
  `{OTHER}`. Misaddressed and dropped packets have {MOST_PEERS} labels of their own, given in the
  same way: a peer in trouble is named though many came before it. `{NOBODY}`: addresses of the
  cluster's network that no node leases. A node that is really called `{OTHER}` or `{NOBODY}` is
  summed with them.
* `reason`, `caller`: the kernel's reason and the function that freed the packet, `{UNKNOWN}` where
  it does not tell. At most {MOST_CAUSES} pairs, and {MOST_DROPS} triples with the peer; then
  `{OTHER}`.
* `node` of a finding: at most {MOST_NODES}, or as many as are watched; then `{OTHER}`.
* A hook, kind or reason without packets has no series. Rules count their openings from nought.

Sums of several peers never shrink when one of them goes. What a peer counted between the last
scrape and its going is not in them. Counters begin anew when the watch does.
"""

RECORDING = """
## Recorded

By the rules of `deploy/prometheus/flantrace.rules.yml`, over five minutes.

"""


def table(head: str, rows: Mapping[str, str]) -> str:
    lines = [head, "|".join(["", *["---"] * (head.count("|") - 1), ""])]
    return "\n".join([*lines, *(f"| `{key}` | {text} |" for key, text in rows.items())]) + "\n"


def page() -> str:
    assert tuple(AT) == HOOKS
    assert list(HOW) == [kind.value for kind in DEVIATIONS]
    own = {
        one.name: f"{one.kind} | {', '.join(f'`{label}`' for label in one.labels)} | {one.help}"
        for one in METRICS
    }
    kinds = {kind: f"{what} | [{rule}](../rules/{rule}.md)" for kind, (what, rule) in HOW.items()}
    process = {
        f"{one.name}_total" if one.type == "counter" else one.name: one.documentation
        for one in ProcessCollector(registry=CollectorRegistry()).collect()
    }
    recorded = dict.fromkeys(RECORDED, "")
    for rule in rules():
        if "record" in rule:
            used = sorted(metrics_in(rule["expr"]) & SCRAPED)
            recorded[rule["record"]] = ", ".join(f"`{name}`" for name in used) or "those above"
    return (
        HEAD
        + table("| metric | type | labels | what it is |", own)
        + "\n## Hooks\n\n"
        + table("| hook | where a packet is counted |", AT)
        + "\n## Kinds of deviation\n\n"
        + table("| kind | how a packet is not as the leases say | as in |", kinds)
        + BOUNDS
        + "\n## Of the process\n\n"
        + table("| metric | what it is |", process)
        + RECORDING
        + table("| series | from |", recorded)
    )


def test_the_page_is_what_the_code_exposes(golden: Golden) -> None:
    golden(PAGE, page())


def test_the_dashboard_asks_for_nothing_that_is_not_there() -> None:
    there = SCRAPED | set(RECORDED) | OF_PROMETHEUS | OF_THE_PROCESS
    for title, expression in queries():
        found = metrics_in(expression)
        assert found, title
        assert found <= there, title


def test_every_metric_is_of_use_to_a_rule_or_a_panel() -> None:
    used = {name for _, expression in queries() for name in metrics_in(expression)}
    used |= {name for rule in rules() for name in metrics_in(rule["expr"])}
    assert (SCRAPED | set(RECORDED)) - used == set()
