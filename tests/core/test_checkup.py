"""The first sentence of a checkup is the answer, and the exit code says the same."""

from typing import Any

import pytest

from tests.healths import asked, health, no
from tracer.core.access import NEEDS, Review, Use
from tracer.core.checkup import Heard, Installed, Operator, checkup
from tracer.model.bundle import Trouble
from tracer.model.checkup import Standing
from tracer.model.cluster import ClusterState, FlannelPod, NetConf, Node, Pod

NO_BTF = {"btf": no("No such file or directory")}
HIDDEN = {"symbols": no("every address is zero"), "kptr_restrict": 2}


def heard(name: str, **parts: Any) -> Heard:
    return Heard(node=name, health=health(name, **parts))


def silent(name: str) -> Heard:
    trouble = Trouble(node=name, what=f"no agent could be started on {name}", hint="ssh?")
    return Heard(node=name, troubles=(trouble,))


@pytest.mark.parametrize(
    ("nodes", "sentence", "code"),
    [
        ([heard("node-a")], "flantrace can trace on node-a.", 0),
        ([heard("node-a"), heard("node-b")], "flantrace can trace on both nodes.", 0),
        ([heard(one) for one in "abc"], "flantrace can trace on all 3 nodes.", 0),
        (
            [heard("node-a"), heard("node-b", **NO_BTF)],
            "flantrace cannot trace on node-b: no BTF: No such file or directory."
            " It can on node-a.",
            1,
        ),
        (
            [heard("node-a"), heard("node-b", **HIDDEN)],
            "flantrace can trace on both nodes, with less on node-b: kernel addresses are hidden"
            " from everybody.",
            0,
        ),
        (
            [heard("node-a"), silent("node-b")],
            "Node-b could not be asked: no agent could be started. flantrace can trace on node-a.",
            3,
        ),
        (
            [heard("node-a", **NO_BTF), silent("node-b")],
            "flantrace cannot trace on node-a: no BTF: No such file or directory."
            " Node-b could not be asked: no agent could be started.",
            1,
        ),
        (
            [heard(one, **NO_BTF) for one in "abcde"] + [heard("f")],
            "flantrace cannot trace on 5 of 6 nodes: no BTF: No such file or directory."
            " It can on f.",
            1,
        ),
    ],
)
def test_the_first_sentence_is_the_answer(nodes: list[Heard], sentence: str, code: int) -> None:
    answer = checkup(asked(*nodes))
    assert answer.sentence == sentence
    assert answer.exit_code == code


NODES = (
    Node(name="node-a", annotations={"flannel.alpha.coreos.com/backend-type": "vxlan"}),
    Node(name="node-b", annotations={"flannel.alpha.coreos.com/backend-type": "vxlan"}),
)
FLANNEL = FlannelPod(
    namespace="kube-flannel", name="f", node="node-a", started=None, image="acme/flannel:v0.28.0"
)
CLUSTER = ClusterState(
    captured_at="",
    nodes=NODES,
    flannel_pods=(FLANNEL,),
    net_conf=NetConf(
        text='{"Network":"10.244.0.0/16","Backend":{"Type":"vxlan"}}', source="ConfigMap a/b"
    ),
)
ALLOWED = tuple(Review(need=need, allowed=True) for need in NEEDS)
BOTH = (heard("node-a"), heard("node-b"))


def operator(**parts: Any) -> Operator:
    given: dict[str, Any] = {
        "server": "https://192.0.2.1:6443", "namespace": "flantrace", "way": Use.EXEC,
        "server_version": "v1.35.0", "cluster": CLUSTER, "reviews": ALLOWED,
        "installed": Installed(image="acme/flantrace:1", wanted=2, running=("node-a", "node-b")),
    }  # fmt: skip
    return Operator(**(given | parts))


def said(side: Operator, *nodes: Heard) -> dict[str, tuple[str, str]]:
    """Item of the operator's side -> how it stands, and the words."""
    place = checkup(asked(*(nodes or BOTH), operator=side)).operator
    assert place is not None
    return {item.name: (item.standing.value, item.said) for item in place.items}


def test_a_whole_installation_is_told_of_in_four_lines() -> None:
    assert said(operator()) == {
        "API": ("ok", "Kubernetes v1.35.0 at https://192.0.2.1:6443"),
        "access": ("ok", "to all that flantrace asks for"),
        "flannel": ("ok", "v0.28.0, in namespace kube-flannel, backend vxlan"),
        "agents": ("ok", "pods run on 2 of 2 nodes, of acme/flantrace:1"),
    }


def test_an_api_that_does_not_answer_is_not_known_and_not_missing() -> None:
    trouble = Trouble(node=None, what="the API server does not answer: Timeout", hint="is it up?")
    answer = checkup(asked(operator=operator(cluster=None, troubles=(trouble,))))
    assert answer.exit_code == 3
    assert answer.sentence == (
        "The cluster could not be asked: the API server does not answer: Timeout."
    )


def test_an_installation_that_is_not_there_is_the_answer_whatever_each_node_says() -> None:
    none = Installed(image=None, wanted=None, running=())
    answer = checkup(asked(silent("node-a"), operator=operator(installed=none)))
    assert answer.sentence == (
        "flantrace cannot trace in this cluster: flantrace is not installed in namespace flantrace."
    )
    assert answer.exit_code == 1


def test_by_a_command_of_the_operators_own_no_installation_is_missed() -> None:
    none = Installed(image=None, wanted=None, running=())
    assert "agents" not in said(operator(way=None, installed=none))


def test_a_backend_that_is_not_vxlan_is_said_at_once() -> None:
    conf = NetConf(text='{"Network":"10.0.0.0/8","Backend":{"Type":"wireguard"}}', source="x")
    found = said(operator(cluster=ClusterState(captured_at="", nodes=NODES, net_conf=conf)))
    assert found["flannel"] == ("missing", "the backend is wireguard: there is no VXLAN to follow")


def test_k3s_has_no_pods_of_flannel_and_is_understood() -> None:
    found = said(operator(cluster=ClusterState(captured_at="", nodes=NODES)))
    assert found["flannel"] == ("ok", "backend vxlan, no pods of its own, as in k3s")


def test_a_cluster_of_another_network_is_told_so() -> None:
    bare = ClusterState(captured_at="", nodes=(Node(name="node-a"),))
    assert said(operator(cluster=bare))["flannel"][0] == "missing"


def refusing(*resources: str) -> tuple[Review, ...]:
    return tuple(Review(need=need, allowed=need.resource not in resources) for need in NEEDS)


def test_what_the_way_needs_is_missing_and_what_only_other_ways_need_is_less() -> None:
    by_pods = operator(reviews=refusing("pods/exec"))
    assert said(by_pods)["access"][0] in ("missing", "less")
    assert checkup(asked(*BOTH, operator=by_pods)).exit_code == 1
    by_ssh = operator(reviews=refusing("pods/exec"), way=None)
    assert checkup(asked(*BOTH, operator=by_ssh)).exit_code == 0


def test_who_may_trace_and_not_install_lacks_nothing() -> None:
    side = operator(reviews=refusing("namespaces", "daemonsets.apps"))
    assert checkup(asked(*BOTH, operator=side)).exit_code == 0


def test_who_may_not_read_pods_is_told_which_verbs_and_how_to_get_them() -> None:
    answer = checkup(asked(*BOTH, operator=operator(reviews=refusing("nodes"))))
    assert answer.operator is not None
    missing = [one for one in answer.operator.items if one.standing is Standing.MISSING]
    assert [one.said for one in missing] == ["you may not list nodes"]
    assert "flantrace-operator" in missing[0].remedy


def test_an_api_without_access_reviews_leaves_rights_unknown() -> None:
    silent_api = tuple(Review(need=need, allowed=None) for need in NEEDS)
    assert said(operator(reviews=silent_api))["access"][0] == "unknown"


def test_pods_are_counted_where_their_namespaces_should_be_seen() -> None:
    pods = tuple(
        Pod(namespace="shop", name=name, node="node-a", phase="Running", host_network=host)
        for name, host in (("web", False), ("proxy", True))
    )
    from msgspec.structs import replace

    from tracer.model.health import Namespaces

    side = operator(cluster=replace(CLUSTER, pods=pods))
    blind = heard("node-a", namespaces=Namespaces(found=0, entered=0))
    (place,) = checkup(asked(blind, operator=side)).nodes
    assert [one.said for one in place.items if one.name == "pods"] == [
        "of 1 pods no network namespace is seen"
    ]
