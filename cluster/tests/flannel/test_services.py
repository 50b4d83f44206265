"""A Service whose endpoint is on its client's own node, with and without br_netfilter."""

from collections.abc import Iterator

import pytest

from cluster.daemons import until
from cluster.setup import Cluster
from cluster.shell import Failed

SWITCH = "net.bridge.bridge-nf-call-iptables"


@pytest.fixture
def services(cluster: Cluster) -> Iterator[dict[str, str]]:
    """The addresses of two Services, by the one pod behind each."""
    pods = ("db-a", "db-b")
    for pod in pods:
        cluster.kubectl("label", "pod", pod, f"only={pod}")
        cluster.kubectl(
            "expose",
            "pod",
            pod,
            f"--name=only-{pod}",
            "--port=80",
            "--target-port=8080",
            f"--selector=only={pod}",
        )
    yield {pod: cluster.get("service", f"only-{pod}")["spec"]["clusterIP"] for pod in pods}
    cluster.kubectl("delete", "service", *(f"only-{pod}" for pod in pods))
    for pod in pods:
        cluster.kubectl("label", "pod", pod, "only-")


def test_without_it_the_answer_of_a_neighbour_pod_never_passes_the_rules(
    cluster: Cluster, services: dict[str, str]
) -> None:
    node_a = cluster.places["node-a"]
    until("kube-proxy", lambda: all(answers(cluster, ip) for ip in services.values()), 20)
    before = node_a.run("sysctl", "-n", SWITCH).strip()
    node_a.run("sysctl", "-qw", f"{SWITCH}=0")
    try:
        assert not answers(cluster, services["db-a"])
        assert answers(cluster, services["db-b"]), "it is routed on both nodes"
    finally:
        node_a.run("sysctl", "-qw", f"{SWITCH}={before}")
    assert answers(cluster, services["db-a"])


def answers(cluster: Cluster, address: str) -> bool:
    """Whether web-a gets an answer over HTTP."""
    ask = f"printf 'GET /index.html HTTP/1.0\\r\\n\\r\\n' | nc -w 2 {address} 80"
    try:
        return "hello" in cluster.kubectl("exec", "web-a", "--", "sh", "-c", ask)
    except Failed:
        return False
