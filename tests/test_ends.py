"""What may stand at the ends of a trace: pods, nodes, Services and addresses of all of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.apiserver import Server, endpoint, serving
from tests.builders import POD, cluster, request, underlay, vtep_ip
from tracer.collect.kube_questions import Wanted, traced
from tracer.core.words import trace_command
from tracer.errors import NotFound, UsageError
from tracer.model.cluster import ClusterState, Pod, Service
from tracer.model.request import End, EndKind
from tracer.recording.ends import of_ends, resolve, wanted


@pytest.mark.parametrize(
    ("word", "asked"),
    [
        ("web", Wanted(pods=(("default", "web"),))),
        ("shop/web", Wanted(pods=(("shop", "web"),))),
        ("node/node-a", Wanted()),
        ("svc/db", Wanted(services=(("default", "db"),))),
        ("service/shop/db", Wanted(services=(("shop", "db"),))),
        ("10.244.1.2", Wanted(addresses=("10.244.1.2",))),
        ("FD00:1::2", Wanted(addresses=("fd00:1::2",))),
        ("default/10.244.1.2", Wanted(pods=(("default", "10.244.1.2"),))),
    ],
)
def test_a_word_says_what_the_api_is_asked_for(word: str, asked: Wanted) -> None:
    assert wanted((word, word), "default") == asked


@pytest.mark.parametrize(
    "word", ["svc/", "svc/a/b/c", "svc/A_B", "node/", "node/a/b", "svc//x", ""]
)
def test_nonsense_is_refused_in_words(word: str) -> None:
    with pytest.raises(UsageError, match="cannot be a"):
        wanted((word, "pod-b"), "default")


def ends(source: str, destination: str, state: ClusterState | None = None) -> tuple[End, End]:
    return resolve((source, destination), "default", state or cluster())


def test_addresses_name_pods_and_nodes() -> None:
    pod, node = ends(POD["node-a"], vtep_ip("node-b"))
    assert (pod.kind, pod.name, pod.node) == (EndKind.POD, "default/pod-a", "node-a")
    assert (node.kind, node.name, node.host_network) == (EndKind.NODE, "node-b", False)
    own, _ = ends(underlay("node-c"), "pod-b")
    assert (own.kind, own.name, own.ip) == (EndKind.NODE, "node-c", underlay("node-c"))
    assert own.host_network, "packets to it go by the underlay"


def test_an_address_belongs_to_the_pod_that_runs() -> None:
    old = Pod(namespace="default", name="old", ips=(POD["node-a"],), node="node-a", phase="Failed")
    host = Pod(
        namespace="kube-system", name="proxy", ips=(underlay("node-a"),), node="node-a",
        host_network=True, phase="Running",
    )  # fmt: skip
    state = cluster(pods=(old, host, *cluster().pods))
    assert ends(POD["node-a"], "pod-b", state)[0].name == "default/pod-a"
    assert ends(underlay("node-a"), "pod-b", state)[0].name == "node-a"
    with pytest.raises(NotFound, match="default/old has ended"):
        ends(POD["node-a"], "pod-b", cluster(pods=(old, *cluster().pods[1:])))


def test_an_address_of_nobody() -> None:
    with pytest.raises(NotFound, match=r"203\.0\.113\.9 is no pod's, no node's and no Service's"):
        ends("203.0.113.9", "pod-b")


DB = Service(
    namespace="shop",
    name="db",
    cluster_ips=("10.96.0.10", "fd96::10"),
    endpoints=("10.244.1.9", "10.244.2.9", "fd00:2::9"),
)


def behind_db() -> ClusterState:
    near = Pod(namespace="shop", name="db-0", ips=("10.244.1.9",), node="node-a")
    far = Pod(namespace="shop", name="db-1", ips=("10.244.2.9", "fd00:2::9"), node="node-b")
    return cluster(pods=(*cluster().pods, near, far), services=(DB,))


@pytest.mark.parametrize("word", ["svc/shop/db", "service/shop/db", "10.96.0.10"])
def test_a_service_stands_for_a_pod_on_another_node(word: str) -> None:
    state = behind_db()
    assert ends("pod-a", word, state)[1].name == "shop/db-1"
    assert ends(word, "pod-b", state)[0].name == "shop/db-0"
    both = ends(word, word, state)
    assert [end.name for end in both] == ["shop/db-0", "shop/db-1"]


def test_only_the_pods_at_the_ends_are_recorded() -> None:
    state = behind_db()
    found = of_ends(state, ends("pod-a", "svc/shop/db", state))
    assert [pod.name for pod in found.pods] == ["pod-a", "db-1"]
    assert found.services == (DB,)


def test_a_service_with_pods_on_one_node_only() -> None:
    state = replace(behind_db(), pods=behind_db().pods[:3])
    assert ends("pod-a", "svc/shop/db", state)[1].name == "shop/db-0"


@pytest.mark.parametrize(
    ("service", "said"),
    [
        (replace(DB, endpoints=()), "nothing behind service shop/db is ready"),
        (replace(DB, endpoints=("203.0.113.9",)), r"no pod stands behind .*: 203\.0\.113\.9"),
        (replace(DB, name="other"), "service shop/db does not exist"),
    ],
)
def test_a_service_without_a_pod_to_trace(service: Service, said: str) -> None:
    with pytest.raises(NotFound, match=said):
        ends("pod-a", "svc/shop/db", replace(behind_db(), services=(service,)))


def test_names_that_do_not_exist_say_so() -> None:
    with pytest.raises(NotFound, match="pod default/nobody does not exist"):
        ends("nobody", "pod-b")
    with pytest.raises(NotFound, match="node node-z does not exist"):
        ends("pod-a", "node/node-z")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path) as made:
        yield made


@pytest.mark.parametrize(
    ("source", "destination"),
    [
        ("10.244.1.2", "10.244.2.2"),
        ("shop/web", "svc/shop/db"),
        ("node/node-a", "192.0.2.2"),
        ("10.244.1.0", "10.96.0.10"),
    ],
)
def test_the_command_of_a_trace_asks_the_same_again(
    server: Server, source: str, destination: str
) -> None:
    server.pod("web", "node-a", "10.244.1.2")
    server.pod("db-0", "node-b", "10.244.2.2")
    server.service("db", "10.96.0.10")
    server.slice("db", endpoint("db-0", "node-b", "10.244.2.2"))

    def ask(*words: str) -> tuple[End, End]:
        state, _ = traced(server.api, wanted((words[0], words[1]), "default"))
        return resolve((words[0], words[1]), "default", state)

    first = ask(source, destination)
    command = trace_command(request(source=first[0], destination=first[1])).split()
    assert command[0] == "flantrace"
    assert ask(*command[1:3]) == first


def test_the_command_of_an_imported_trace_names_the_addresses() -> None:
    one = End(kind=EndKind.POD, name="10.244.1.2", node="node-a", ip="10.244.1.2")
    two = End(kind=EndKind.POD, name="10.244.2.2", node="node-b", ip="10.244.2.2")
    words = trace_command(request(source=one, destination=two)).split()
    assert words[:3] == ["flantrace", "10.244.1.2", "10.244.2.2"]
    found = ends(words[1], words[2])
    assert [end.name for end in found] == ["default/pod-a", "default/pod-b"]
