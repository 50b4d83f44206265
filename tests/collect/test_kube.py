"""What is asked of the Kubernetes API, in pages, and what is said where something is forbidden."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.apiserver import CONTROLLER, Server, endpoint, serving
from tracer.collect import kube
from tracer.collect.kube_objects import NodeObject
from tracer.collect.kube_questions import Wanted, everything, traced
from tracer.errors import CollectFailed, NotFound, NotPermitted


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path) as made:
        yield made


def many(server: Server, count: int) -> list[str]:
    names = [f"web-{number:04}" for number in range(count)]
    for number, name in enumerate(names):
        server.pod(name, "node-a", f"10.244.1.{number % 250}")
    return names


def pages(server: Server, resource: str = "/pods") -> int:
    return len([path for path in server.asked if f"{resource}?" in path])


def test_thousands_of_pods_come_in_pages(server: Server) -> None:
    names = many(server, 1201)
    assert [one.metadata.name for one in server.api.pods()] == names
    assert pages(server) == 3


def test_a_list_that_expires_between_two_pages_is_asked_for_again_as_a_whole(
    server: Server,
) -> None:
    names = many(server, 600)
    server.answers["continue="] = 410
    assert [one.metadata.name for one in server.api.pods()] == names
    assert server.asked[-1] == "/api/v1/pods?"


def test_a_list_without_end_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube, "MOST_PAGES", 2)
    monkeypatch.setattr(kube, "PAGE", 1)
    with pytest.raises(CollectFailed, match="list of nodes has no end"):
        server.api.nodes()


def manager(server: Server, *words: str) -> None:
    container = {"name": "x", "command": [CONTROLLER, *words], "env": [{"name": "A", "value": "s"}]}
    server.pod(
        f"{CONTROLLER}-node-a", "node-a", "192.0.2.1", namespace="kube-system",
        labels={"component": CONTROLLER}, spec={"hostNetwork": True, "containers": [container]},
    )  # fmt: skip


def net_conf(server: Server) -> None:
    data = {"net-conf.json": '{"Network":"10.244.0.0/16"}'}
    server.add("configmaps", "kube-flannel-cfg", "kube-flannel", data=data)


def test_a_check_gets_everything_at_once(server: Server) -> None:
    server.node("node-d", 4, unschedulable=True)
    server.pod("web", "node-a", "10.244.1.2")
    server.pod("done", "node-a", "10.244.1.2", phase="Succeeded")
    server.pod("new", None, phase="Pending")
    server.pod("kube-flannel-ds-x", "node-a", "192.0.2.1", labels={"app": "flannel"})
    manager(server, "--cluster-cidr=10.244.0.0/16", "--allocate-node-cidrs", "--token=s3cr3t")
    net_conf(server)
    cluster, troubles = everything(server.api)
    assert troubles == ()
    drained = {node.name: (node.unschedulable, node.deleting) for node in cluster.nodes}
    assert drained["node-d"] == (True, False)
    assert drained["node-a"] == (False, False)
    phases = {pod.name: pod.phase for pod in cluster.pods if pod.namespace == "shop"}
    assert (phases["web"], phases["done"], phases["new"]) == ("Running", "Succeeded", "Pending")
    assert [pod.name for pod in cluster.flannel_pods] == ["kube-flannel-ds-x"]
    (found,) = cluster.controller_managers
    assert found.source == f"pod kube-system/{CONTROLLER}-node-a"
    assert (found.node, found.cluster_cidrs, found.allocate_node_cidrs) == (
        "node-a", ("10.244.0.0/16",), True,
    )  # fmt: skip
    assert cluster.net_conf is not None
    said = str(msgspec.to_builtins(cluster))
    assert "s3cr3t" not in said
    assert "jdoe" not in said
    assert not any("services" in path or "endpoint" in path for path in server.asked)


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("/api/v1/pods", "pods"),
        ("/api/v1/nodes", "nodes"),
        ("/configmaps/", "configmap kube-flannel/kube-flannel-cfg"),
    ],
)
def test_what_a_check_may_not_read_is_said_and_the_rest_is_there(
    server: Server, part: str, said: str
) -> None:
    server.pod("web", "node-a", "10.244.1.2")
    net_conf(server)
    server.answers[part] = 403
    cluster, troubles = everything(server.api)
    assert [one.what for one in troubles] == [f"the API server does not let us read {said}"]
    there = (bool(cluster.pods), bool(cluster.nodes), cluster.net_conf is not None)
    assert there.count(False) == 1


def test_an_api_server_that_fails_on_nodes_is_an_error(server: Server) -> None:
    server.answers["/api/v1/nodes"] = 500
    with pytest.raises(CollectFailed, match="answered 500 on nodes"):
        everything(server.api)


def test_a_list_of_pods_that_fails_leaves_the_rest(server: Server) -> None:
    server.answers["/api/v1/pods"] = 504
    cluster, troubles = everything(server.api)
    assert [node.name for node in cluster.nodes] == ["node-a", "node-b", "node-c"]
    assert [one.what for one in troubles] == ["the API server answered 504 on pods"]


def test_a_node_that_is_being_deleted() -> None:
    text = b'{"metadata":{"name":"node-b","deletionTimestamp":"2026-11-23T03:12:07Z"}}'
    assert msgspec.json.decode(text, type=NodeObject).node().deleting


def test_a_trace_asks_for_services_only_where_an_end_is_named_by_one(server: Server) -> None:
    server.pod("web", "node-a", "10.244.1.2")
    cluster, troubles = traced(server.api, Wanted(pods=(("shop", "web"),)))
    assert ([pod.name for pod in cluster.pods], troubles) == (["web"], ())
    traced(server.api, Wanted(addresses=("10.244.1.2", "192.0.2.1", "10.244.3.0")))
    assert not any("services" in path or "endpoint" in path for path in server.asked)
    assert not any("/pods?limit" in path for path in server.asked), "all pods were asked for"


def test_what_a_trace_may_not_read_is_said(server: Server) -> None:
    server.pod("web", "node-a", "10.244.1.2")
    server.answers["labelSelector=app"] = 403
    _, troubles = traced(server.api, Wanted(pods=(("shop", "web"),)))
    assert [one.what for one in troubles] == [
        "the API server does not let us read pods of flannel",
    ]


def three_behind(server: Server) -> None:
    server.service("db", "10.96.0.10")
    for number, node in enumerate(("node-a", "node-a", "node-b")):
        server.pod(f"db-{number}", node, f"10.244.{1 if node == 'node-a' else 2}.{number + 10}")
    server.slice("db", endpoint("db-0", "node-a", "10.244.1.10"))
    server.slice(
        "db",
        endpoint("db-1", "node-a", "10.244.1.11", ready=True),
        endpoint("db-2", "node-b", "10.244.2.12", ready=True),
        endpoint("db-3", "node-c", "10.244.3.13", ready=False),
        number=2,
    )


@pytest.mark.parametrize(
    "wanted", [Wanted(services=(("shop", "db"),)), Wanted(addresses=("10.96.0.10",))]
)
def test_of_a_service_pods_on_two_nodes_are_read(server: Server, wanted: Wanted) -> None:
    three_behind(server)
    cluster, _ = traced(server.api, wanted)
    (service,) = cluster.services
    assert (service.namespace, service.name, service.cluster_ips) == ("shop", "db", ("10.96.0.10",))
    assert service.endpoints == ("10.244.1.10", "10.244.1.11", "10.244.2.12")
    assert [pod.node for pod in cluster.pods] == ["node-a", "node-b"]


def test_an_api_without_endpointslices_has_endpoints(server: Server) -> None:
    server.service("db", "10.96.0.10")
    server.pod("db-0", "node-b", "10.244.2.10")
    target = {"kind": "Pod", "namespace": "shop", "name": "db-0"}
    ready = {"ip": "10.244.2.10", "nodeName": "node-b", "targetRef": target}
    subset = {"addresses": [ready], "notReadyAddresses": [{"ip": "10.244.3.10"}]}
    server.add("endpoints", "db", "shop", subsets=[subset])
    server.answers["discovery.k8s.io"] = 404
    cluster, _ = traced(server.api, Wanted(services=(("shop", "db"),)))
    assert cluster.services[0].endpoints == ("10.244.2.10",)
    assert [pod.name for pod in cluster.pods] == ["db-0"]


def test_a_pods_second_address_is_looked_for_in_all_pods(server: Server) -> None:
    server.node("node-d", 4, podCIDRs=["10.244.4.0/24", "fd00:4::/64"])
    server.pod("web", "node-d", "10.244.4.2", "fd00:4::2")
    cluster, _ = traced(server.api, Wanted(addresses=("fd00:4::2",)))
    assert [pod.name for pod in cluster.pods] == ["web"]


def test_names_that_are_no_services(server: Server) -> None:
    with pytest.raises(NotFound, match="service shop/db does not exist") as missing:
        traced(server.api, Wanted(services=(("shop", "db"),)))
    assert missing.value.hint == "kubectl get services -A shows what does"
    server.service("ext", type="ExternalName", externalName="db.acme.example")
    with pytest.raises(NotFound, match=r"another name for db\.acme\.example"):
        traced(server.api, Wanted(services=(("shop", "ext"),)))


def test_a_service_that_names_pods_that_are_gone(server: Server) -> None:
    server.service("db", "10.96.0.10")
    server.slice("db", endpoint("gone", "node-a", "10.244.1.9"))
    with pytest.raises(NotFound, match="names pods that do not exist, such as shop/gone"):
        traced(server.api, Wanted(services=(("shop", "db"),)))
    server.pod("db-0", "node-b", "10.244.2.10")
    server.slice("db", endpoint("db-0", "node-b", "10.244.2.10"), number=2)
    cluster, _ = traced(server.api, Wanted(services=(("shop", "db"),)))
    assert [pod.name for pod in cluster.pods] == ["db-0"]


def test_services_that_may_not_be_read_say_what_to_do(server: Server) -> None:
    server.service("db", "10.96.0.10")
    server.answers["endpointslices"] = 403
    with pytest.raises(NotPermitted) as refused:
        traced(server.api, Wanted(services=(("shop", "db"),)))
    assert "endpointslices" in refused.value.hint
