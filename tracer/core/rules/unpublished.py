"""A node whose lease peers ignore, though its flanneld runs."""

from msgspec.structs import replace

from tracer.core.case import MissingFact, WayView
from tracer.core.end import WayEnd
from tracer.core.leases import lacking
from tracer.core.rules import proof, remedies
from tracer.core.rules.allocation import is_outside
from tracer.core.rules.fingerprints import ended_unrouted, stuck_at_sender
from tracer.core.timeline import utc
from tracer.core.views import NodeView
from tracer.model.cluster import Node
from tracer.model.diagnosis import Evidence, Finding, Severity
from tracer.model.examination import Step

STEP = Step.CLUSTER


def annotations_missing(view: NodeView) -> Finding | None:
    """A node's Node object lacks flannel's annotations, though flanneld runs there.

    flanneld writes them once, at its start. A Node that was deleted and registered again by the
    kubelet, or that a controller wrote over, stays without, and peers ignore a node without them.
    """
    node = view.api_node
    if node is None or node.deleting:
        return None
    keys = _absent(view, node)
    ran = _flanneld_ran(view, node) if keys else ()
    if not ran:
        return None
    stopped = view.stopped_way(lambda way, end: _left_out(view.node, way, end))
    return Finding(
        rule="annotations-missing",
        severity=Severity.ERROR if stopped is not None or _unseen(view) else Severity.WARNING,
        node=view.node,
        device=None,
        sentence=f"The Node object of {view.node} lacks flannel's annotations, so other nodes"
        " ignore its lease; flanneld writes them only when it starts.",
        evidence=(
            *_unpublished(view, node, keys),
            *ran,
            *(proof.kernel(stopped) if stopped is not None else ()),
        ),
        hits=f"what other nodes send to pods of {view.node}: at once where they saw its Node go,"
        " elsewhere as soon as they lose the entries that they have",
        fix=(
            f"restart flanneld on {view.node}; it writes the annotations, and peers follow:",
            remedies.restart_flannel(view.facts, view.node),
        ),
        confirm=(remedies.show_annotations(view.node),),
        useless=(
            "restarting flanneld on other nodes: they ignore a node without annotations",
            "restarting the kubelet: it registers the Node, the annotations are flanneld's",
        ),
        way=stopped.way if stopped is not None else None,
        explains=stopped is not None,
    )


def _absent(view: NodeView, node: Node) -> tuple[str, ...]:
    """Keys that are not there, of the families in which the node has a pod CIDR."""
    found = [
        key
        for lease in view.leases
        if lease.family in view.families and lease.pod_cidr is not None
        # flanneld does not start with that.
        if not is_outside(lease, view.facts.net_conf)
        for key in lacking(node, lease.family)
    ]
    return tuple(dict.fromkeys(found))


def _flanneld_ran(view: NodeView, node: Node) -> tuple[Evidence, ...]:
    """Proof that flanneld came to the point where it publishes; none on a node that just joined.

    The device is set up after the annotations were written (flannel vxlan.go); a Node that is
    younger than its flannel pod was registered again.
    """
    rows: list[Evidence] = []
    pod = view.facts.flannel_pod(view.node)
    born, started = utc(node.created), utc(pod.started) if pod is not None else None
    runs = pod is not None and pod.ready is not False
    if pod is not None and runs and born is not None and started is not None and started < born:
        rows += [
            Evidence(label="registered", value=born, source=f"Node/{view.node}, creationTimestamp"),
            Evidence(
                label="flanneld",
                value=f"runs since {started}",
                source=f"pod {pod.namespace}/{pod.name}",
            ),
        ]
    try:
        up = [link for _, link in view.vteps() if link.up]
    except MissingFact:
        up = []
    rows += [
        Evidence(label="device", value=f"up, {link.mac}", source=f"{view.node} link {link.ifname}")
        for link in up
    ]
    return tuple(rows)


def _unpublished(view: NodeView, node: Node, keys: tuple[str, ...]) -> tuple[Evidence, ...]:
    """One line where all are gone, else one for each."""
    whole = {
        key for family in view.families for key in lacking(replace(node, annotations={}), family)
    }
    named = [f"{keys[0].partition('/')[0]}/*"] if set(keys) == whole else keys
    return tuple(
        Evidence(
            label="published", value=proof.NONE, source=f"Node/{view.node} {key}", differs=True
        )
        for key in named
    )


def _left_out(node: str, way: WayView, end: WayEnd) -> bool:
    """The sender has not got, or not got all of, what it would write for the node."""
    if way.receiver != node or end.outer:
        return False
    try:
        crossing = way.crossing
    except MissingFact:
        return ended_unrouted(way)
    if crossing is None:
        return ended_unrouted(way)
    return crossing.dst is None and stuck_at_sender(way)


def _unseen(view: NodeView) -> bool:
    """No other node was read: nobody knows what peers still have."""
    return all(name == view.node for name in view.facts.bundle.nodes)
