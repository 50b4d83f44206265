"""What flanneld wrote on a node, held against what it would write now."""

import pytest
from msgspec.structs import replace

from tests.builders import FLANNEL, NUMBER, PREFIX, api_node, bundle, cluster, state
from tests.changes import with_link, with_vxlan
from tests.core.examine.test_examine import examined
from tracer.core.facts import Facts
from tracer.core.rules.written import subnet_env_stale, vtep_unlike_configured
from tracer.core.views import NodeView
from tracer.model.diagnosis import Finding, Severity
from tracer.model.state import NodeState

B = "node-b"
FILE = "/run/flannel/subnet.env"
RIGHT = (
    "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.2.1/24\nFLANNEL_MTU=1450\n"
    "FLANNEL_IPMASQ=true\n"
)


def view(node: NodeState) -> NodeView:
    return NodeView(Facts(bundle(node)), B, ())


def with_file(text: str) -> NodeState:
    return replace(state(B), files={**state(B).files, FILE: text})


def stale(text: str) -> Finding | None:
    return subnet_env_stale(view(with_file(text)))


def test_a_file_as_flanneld_writes_it_is_no_finding_nor_is_none() -> None:
    assert stale(RIGHT) is None
    assert stale("") is None
    assert all(subnet_env_stale(view(state(name))) is None for name in NUMBER)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("10.244.2.1/24", "10.244.9.1/24"),
        ("10.244.0.0/16", "10.42.0.0/16"),
        ("MTU=1450", "MTU=8950"),
    ],
)
def test_each_word_that_a_pod_would_be_made_with_is_held_against_its_source(
    right: str, wrong: str
) -> None:
    finding = stale(RIGHT.replace(right, wrong))
    assert finding is not None
    assert finding.evidence[1].value.endswith(wrong.partition("=")[2] or wrong)
    assert finding.evidence[1].differs


def test_a_smaller_mtu_than_the_tunnels_harms_nobody() -> None:
    assert stale(RIGHT.replace("1450", "1400")) is None


def test_a_node_of_another_backend_has_that_ones_size_whatever_device_is_left() -> None:
    """Seen on a real cluster: a node that was switched to host-gw keeps its flannel.1."""
    node = api_node(B)
    switched = {**node.annotations, f"{PREFIX}/backend-type": "host-gw"}
    nodes = {B: replace(node, annotations=switched)}
    larger = with_file(RIGHT.replace("1450", "1500"))
    assert subnet_env_stale(NodeView(Facts(bundle(larger)), B, ())) is not None
    told = bundle(larger, cluster=cluster(nodes=nodes))
    assert subnet_env_stale(NodeView(Facts(told), B, ())) is None


def test_another_subnet_is_a_fault_of_a_check_and_no_more_than_a_warning_in_a_trace() -> None:
    wrong = with_file(RIGHT.replace("10.244.2.1", "10.244.9.1"))
    traced = subnet_env_stale(view(wrong))
    assert traced is not None
    assert traced.severity is Severity.WARNING
    checked = [one for one in examined(wrong).findings if one.rule == "subnet-env-stale"]
    assert [one.severity for one in checked] == [Severity.ERROR]


def unlike(node: NodeState) -> str | None:
    finding = vtep_unlike_configured(view(node))
    return finding.sentence if finding is not None else None


def test_a_vtep_as_flanneld_makes_it_is_no_finding() -> None:
    assert all(vtep_unlike_configured(view(state(name))) is None for name in NUMBER)


def test_learning_a_lost_address_and_another_device_below_are_named() -> None:
    said = "flannel.1 on node-b is not as flanneld makes it: "
    assert unlike(with_vxlan(state(B), learning=True)) == f"{said}learning."
    kept = tuple(each for each in state(B).addresses if each.ifindex != FLANNEL)
    assert unlike(replace(state(B), addresses=kept)) == f"{said}address."
    assert unlike(with_vxlan(state(B), underlay_ifindex=None)) == f"{said}bound device."


def test_a_device_that_is_down_has_lost_more_than_its_address() -> None:
    kept = tuple(each for each in state(B).addresses if each.ifindex != FLANNEL)
    down = with_link(replace(state(B), addresses=kept), "flannel.1", up=False)
    assert unlike(down) is None
