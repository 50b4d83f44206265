"""A node of a hundred pods and a thousand Services is read as a small one. Says the times."""

import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.collect.nodes import Overlay, overlay, run
from tests.collect.test_service_rules import iptables
from tracer.collect.service_rules import WHOLE
from tracer.collect.snapshot import snapshot
from tracer.model.state import NodeState

pytestmark = pytest.mark.kernel

PODS = [f"10.244.1.{number}" for number in range(10, 110)]
SERVICES = 1000
PATIENCE_S = 5
"""Twenty times what it takes on an idle machine of two cores."""


@pytest.fixture(scope="module")
def net() -> Iterator[Overlay]:
    with overlay("n") as made:
        for number, ip in enumerate(PODS):
            pod = f"p{number}"
            made.add(pod)
            peer = f"type veth peer name eth0 mtu 1450 netns {made.netns(pod)}"
            made.batch(
                "a", f"link add w{number} mtu 1450 {peer}\nlink set w{number} master cni0 up"
            )
            made.batch(pod, f"link set eth0 up\naddr add {ip}/24 dev eth0")
            made.batch(pod, "route add default via 10.244.1.1")
        yield made


def read(net: Overlay, what: str, *, firewall: bool) -> NodeState:
    begun = time.monotonic()
    state = net.inside("a", lambda: snapshot("a", pods=PODS, firewall=firewall))
    took = time.monotonic() - begun
    print(f"{what}: {took * 1000:.0f} ms")
    assert took < PATIENCE_S
    return state


def test_a_hundred_pods(net: Overlay) -> None:
    state = read(net, "100 pods", firewall=False)
    assert [pod.ip for pod in state.pods] == PODS
    assert all(pod.host_ifindex is not None and pod.up for pod in state.pods)


def test_a_thousand_services(net: Overlay) -> None:
    restore = ["ip", "netns", "exec", net.netns("a"), "iptables-nft-restore"]
    given = subprocess.run(restore, input=iptables(SERVICES), text=True, check=False)
    assert given.returncode == 0
    drop = "iptables-nft -A FORWARD -s 10.9.0.0/16 -j DROP"
    run("ip", "netns", "exec", net.netns("a"), *drop.split())
    state = read(net, f"100 pods and {SERVICES} Services", firewall=True)
    texts = {dump.tool: dump.text for dump in state.firewall}
    for tool, said in (
        ("iptables-nft-save", "-A FORWARD -s 10.9.0.0/16 -j DROP"),
        ("nft -j list ruleset", '"chain": "FORWARD"'),
    ):
        assert said in texts[tool]
        assert len(texts[tool]) < WHOLE
