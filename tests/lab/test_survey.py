"""The recording of a check in a real lab: each node by an agent of its own, at once. Says times."""

import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.lab.universe import Universe
from tracer.model.bundle import AgentEnd, Bundle

pytestmark = pytest.mark.lab

NODES = 5
SCRIPT = """
import sys, time
from pathlib import Path
from tracer.bundle.archive import write
from tracer.cli.options import way_to_nodes
from tracer.recording.survey import Survey, Surveyor

folder, agents, *nodes = sys.argv[1:]
names = "kubeconfig context node_exec agent timeout_s ephemeral image pull_policy".split()
words = {**dict.fromkeys(names), "use_lab": True, "flantrace_namespace": "flantrace"}
reach = way_to_nodes(words)
order = Survey(nodes=tuple(nodes), agents=agents == "agents", reach=reach)
begun = time.monotonic()
surveyor = Surveyor(order, lambda said: print(said, file=sys.stderr))
surveyor.run()
print(f"{time.monotonic() - begun:.2f}")
write(surveyor.bundle(), Path(folder) / "check.tgz")
"""


@pytest.fixture(scope="module")
def large() -> Iterator[Universe]:
    made = Universe()
    made.lab("up", "--nodes", str(NODES))
    yield made
    made.close()


def surveyed(lab: Universe, folder: Path, *words: str) -> tuple[float, Bundle]:
    """How long it took, and what came of it."""
    from tracer.bundle.archive import read

    took = lab.output([sys.executable, "-c", SCRIPT, str(folder), *words])
    return float(took), read(folder / "check.tgz")


def test_five_nodes_are_read_as_one(large: Universe, tmp_path: Path) -> None:
    one, bundle = surveyed(large, tmp_path, "agents", "node-a")
    assert list(bundle.nodes) == ["node-a"]
    all_of_them, bundle = surveyed(large, tmp_path, "agents")
    print(f"one node: {one:.2f} s, {NODES} nodes: {all_of_them:.2f} s")
    assert len(bundle.nodes) == NODES
    assert bundle.troubles == ()
    assert {agent.end for agent in bundle.agents.values()} == {AgentEnd.BYE}
    assert not any(agent.points for agent in bundle.agents.values()), "nothing is watched"


def test_what_a_check_needs_is_there(large: Universe, tmp_path: Path) -> None:
    _, bundle = surveyed(large, tmp_path, "agents")
    by_node = {
        pod.node: pod.ips[0] for pod in bundle.cluster.pods if not pod.host_network and pod.ips
    }
    for node, state in bundle.nodes.items():
        assert by_node[node] in {pod.ip for pod in state.pods}
        assert state.lookups == (), "no pair is traced"
        assert state.vxlan_support in ("builtin", "loaded")
        offload = {link.ifname: link.tx_checksum for link in state.links}
        assert None not in (offload["flannel.1"], offload["cni0"], offload["eth0"])
        assert not any(one.what.startswith("pod ") for one in state.not_read)
    (manager,) = bundle.cluster.controller_managers
    assert (manager.cluster_cidrs, manager.allocate_node_cidrs) == (("10.244.0.0/16",), True)
    assert len(bundle.cluster.flannel_pods) == NODES


def test_the_api_alone_is_enough_for_a_recording(large: Universe, tmp_path: Path) -> None:
    took, bundle = surveyed(large, tmp_path, "api")
    print(f"the API alone: {took:.2f} s")
    assert bundle.nodes == {}
    assert len(bundle.cluster.nodes) == NODES
    assert bundle.check is not None
    assert not bundle.check.agents


def test_a_trace_records_what_the_kernel_answers(large: Universe, tmp_path: Path) -> None:
    from tracer.bundle.archive import read

    saved = tmp_path / "trace.tgz"
    done = large.flantrace("--lab", "10.244.1.2", "pod-b", "--save", str(saved))
    assert done.returncode == 0, done.stderr
    bundle = read(saved)
    assert bundle.traced.source.name == "default/pod-a"
    asked = {
        node: {(one.dst, one.iif): one.error for one in state.lookups}
        for node, state in bundle.nodes.items()
    }
    assert asked == {
        "node-a": {
            ("10.244.2.2", "cni0"): None,
            ("10.244.1.2", "flannel.1"): None,
            ("192.0.2.12", None): None,
        },
        "node-b": {
            ("10.244.1.2", "cni0"): None,
            ("10.244.2.2", "flannel.1"): None,
            ("192.0.2.11", None): None,
        },
    }
    assert msgspec.to_builtins(bundle.check) is None


def test_a_service_of_the_api_is_traced_to_one_of_its_endpoints(
    large: Universe, tmp_path: Path
) -> None:
    import json
    from urllib.request import Request, urlopen

    def create(path: str, body: dict[str, object]) -> None:
        request = Request(large.server() + path, json.dumps(body).encode(), method="POST")
        with urlopen(request) as answer:
            assert answer.status == 201

    spec = {"clusterIP": "10.96.0.10", "clusterIPs": ["10.96.0.10"], "ports": [{"port": 80}]}
    create("/api/v1/namespaces/default/services", {"metadata": {"name": "db"}, "spec": spec})
    endpoints = [
        {
            "addresses": [f"10.244.{number}.2"],
            "nodeName": f"node-{letter}",
            "targetRef": {"kind": "Pod", "namespace": "default", "name": f"pod-{letter}"},
        }
        for number, letter in enumerate("abc", 1)
    ]
    meta = {"name": "db-1", "labels": {"kubernetes.io/service-name": "db"}}
    create(
        "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
        {"metadata": meta, "addressType": "IPv4", "endpoints": endpoints},
    )
    for word in ("svc/db", "service/default/db", "10.96.0.10"):
        saved = tmp_path / "trace.tgz"
        done = large.flantrace("--lab", "pod-a", word, "--save", str(saved))
        assert done.returncode == 0, done.stderr
        assert "default/pod-b" in done.stdout
        assert (
            "Service default/db stands for default/pod-b at 10.244.2.2 here, one of 3 that are"
            " ready." in " ".join(done.stdout.split())
        )


def test_what_flanneld_writes_is_what_the_leases_promise(large: Universe, tmp_path: Path) -> None:
    """In every field that the kernel shows: an agent may leave it out, and nothing is lost."""
    from tracer.core.leases import leases
    from tracer.core.promised import with_promised, without_promised

    _, bundle = surveyed(large, tmp_path, "agents")
    known = leases(bundle.cluster)
    for node in bundle.nodes.values():
        sent = without_promised(node, known)
        assert len(sent.promised) == NODES - 1
        back = with_promised(sent, known)
        assert set(back.routes) == set(node.routes)
        assert set(back.neighbours) == set(node.neighbours)
        assert set(back.fdb) == set(node.fdb)
