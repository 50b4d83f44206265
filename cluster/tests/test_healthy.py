"""On a healthy cluster nothing is found, whatever is asked, and a rollout changes nothing of it."""

from collections.abc import Iterator

import pytest

from cluster.setup import Cluster
from cluster.tests.clock import Clock
from cluster.tests.flantrace import Answer, Flantrace

WAYS = (("web-a", "web-b"), ("web-b", "web-a"))
SERVICE: dict[str, object] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
}


def everything(flantrace: Flantrace, clock: Clock) -> list[Answer]:
    """What anybody would ask of two pods on two nodes."""
    answers = []
    for source, destination in WAYS:
        with clock("traces"):
            answers.append(flantrace.trace(source, destination))
        with clock("predictions"):
            answers.append(flantrace.predict(source, destination))
    with clock("check"):
        answers.append(flantrace.check("--matrix"))
    return answers


def test_nothing_is_found_before_and_after_flannel_is_rolled_out_anew(
    cluster: Cluster, flantrace: Flantrace, clock: Clock
) -> None:
    for answer in everything(flantrace, clock):
        assert answer.healthy, answer
    with clock("rollout"):
        cluster.kubectl("-n", "kube-flannel", "rollout", "restart", "ds/kube-flannel-ds")
        cluster.kubectl("-n", "kube-flannel", "rollout", "status", "ds/kube-flannel-ds")
    for answer in everything(flantrace, clock):
        assert answer.healthy, answer


@pytest.mark.parametrize(
    "ends", [("web-a", "db-a"), ("node/node-a", "node/node-b"), ("db-b", "node/node-a")]
)
def test_nor_between_pods_of_one_node_and_from_and_to_nodes(
    flantrace: Flantrace, clock: Clock, ends: tuple[str, str]
) -> None:
    with clock("trace"):
        answer = flantrace.trace(*ends)
    assert answer.healthy, answer


def test_a_tcp_probe_to_the_port_that_a_pod_listens_on_arrives(
    flantrace: Flantrace, clock: Clock
) -> None:
    with clock("trace"):
        answer = flantrace.trace("web-a", "web-b", "--probe", "tcp", "--port", "8080")
    assert answer.healthy, answer
    assert answer.document["verdict"]["outcome"] == "delivered"


@pytest.fixture
def service(cluster: Cluster) -> Iterator[str]:
    """A Service of the pods web-a and web-b."""
    cluster.apply([SERVICE])
    yield "svc/web"
    cluster.kubectl("delete", "service", "web")


def test_a_service_is_traced_to_one_of_its_pods(
    flantrace: Flantrace, clock: Clock, service: str
) -> None:
    with clock("trace"):
        answer = flantrace.trace("db-a", service, "--probe", "tcp", "--port", "80")
    assert answer.healthy, answer
    assert answer.document["request"]["destination"]["name"] in ("default/web-a", "default/web-b")
