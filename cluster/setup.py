"""The whole cluster: up, down, and what is there."""

import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from cluster import control, flannel, images, workers
from cluster.build import programs
from cluster.daemons import HIERARCHIES, until
from cluster.nodes import Place, node, plain, wire
from cluster.paths import name, state
from cluster.shell import Failed

NODES = {"node-a": "192.168.79.11", "node-b": "192.168.79.12"}
NODES_6 = {"node-a": "fd79::11", "node-b": "fd79::12"}
GATEWAY = "192.168.79.1"
GATEWAY_6 = "fd79::1"
"""flanneld takes the interface of the default route: there is one, and it leads nowhere."""

PODS = {"web-a": "node-a", "web-b": "node-b", "db-a": "node-a", "db-b": "node-b"}


class Cluster:
    """A running cluster: its places and how to speak to it."""

    def __init__(self, places: dict[str, Place]) -> None:
        self.places = places

    @property
    def operator(self) -> Place:
        """Where people type: it reaches the API server and no node's processes."""
        return self.places["operator"]

    def kubectl(self, *words: str | Path, text: str | None = None, timeout: float = 120) -> str:
        """kubectl as cluster-admin. Failed: with its words."""
        config = f"--kubeconfig={state() / 'admin.conf'}"
        return self.operator.run(programs() / "kubectl", config, *words, text=text, timeout=timeout)

    def apply(self, objects: list[dict[str, object]]) -> None:
        """kubectl apply."""
        self.kubectl("apply", "-f", "-", text=yaml.safe_dump_all(objects))

    def get(self, *words: str) -> dict[str, Any]:
        """kubectl get -o json."""
        found: dict[str, Any] = json.loads(self.kubectl("get", *words, "-o", "json"))
        return found

    def make_pods(self) -> None:
        """The pods of the tests, ready."""
        self.apply([pod(one, where) for one, where in PODS.items()])
        self.kubectl("wait", "--for=condition=Ready", "pod", *PODS, "--timeout=120s")


def running() -> Cluster:
    """The cluster that is up. Failed: none is."""
    try:
        anchors = json.loads((state() / "anchors.json").read_text())
    except FileNotFoundError:
        raise Failed("no cluster is up (python -m cluster up)") from None
    return Cluster({place: Place(place, pid) for place, pid in anchors.items()})


def up(net_conf: Mapping[str, object] | None = None, *, dual_stack: bool = False) -> Cluster:
    """Bring it up, to pods that are ready. Failed; `down` clears what there is.

    dual_stack: nodes, pods and flannel have IPv6 beside IPv4; Services stay IPv4.
    """
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - began:5.1f} s  {what}", flush=True)

    programs()
    state().mkdir(parents=True)
    cluster = Cluster(_places())
    pods, addresses, conf = control.PODS, NODES, dict(net_conf or {})
    if dual_stack:
        _add_ipv6(cluster.places)
        pods = f"{control.PODS},{control.PODS_6}"
        addresses = {one: f"{NODES[one]},{NODES_6[one]}" for one in NODES}
        conf |= {"EnableIPv6": True, "IPv6Network": control.PODS_6}
    control.prepare(tuple(NODES))
    say("namespaces and certificates")
    place = cluster.places["control"]
    control.start_etcd(place)
    control.start_apiserver(place)
    made = _images()
    with ThreadPoolExecutor() as pool:
        for work in [pool.submit(_furnish, cluster.places[one], made) for one in NODES]:
            work.result()
    say("containerd and images on both nodes")
    control.await_api(cluster.operator)
    control.start_others(place, pods)
    say("the API server is ready")
    for one, address in addresses.items():
        workers.start_kubelet(cluster.places[one], address)
        workers.start_proxy(cluster.places[one], pods)
    cluster.apply(flannel.objects(conf))
    until("both nodes are registered", lambda: len(cluster.get("nodes")["items"]) == len(NODES), 60)
    say("both nodes are registered")
    cluster.kubectl(
        "-n", "kube-flannel", "rollout", "status", "ds/kube-flannel-ds", "--timeout=120s"
    )
    say("flannel is ready")
    until("the default service account", lambda: _has_account(cluster), 60)
    cluster.make_pods()
    say("pods are ready")
    return cluster


def pod(pod_name: str, where: str) -> dict[str, object]:
    """A pod that answers HTTP on 8080, on the node of that name."""
    serve = "echo hello > /tmp/index.html; exec httpd -f -p 8080 -h /tmp"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": pod_name, "labels": {"app": pod_name.split("-")[0]}},
        "spec": {
            "nodeSelector": {"kubernetes.io/hostname": where},
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {
                    "name": "box",
                    "image": images.BOX,
                    "imagePullPolicy": "Never",
                    "command": ["/bin/sh", "-c", serve],
                }
            ],
        },
    }


def renew(cluster: Cluster) -> None:
    """Another cluster in the place of one that cannot be used any more."""
    down()
    cluster.places = up().places


def down() -> None:
    """End everything that is of this cluster and nothing else, and leave nothing."""
    for _ in range(50):
        pids = _processes()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not pids:
            break
        time.sleep(0.1)
    with contextlib.suppress(Failed):
        for place in running().places.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(place.pid, signal.SIGKILL)
    _remove_cgroups()
    shutil.rmtree(state(), ignore_errors=True)


def _places() -> dict[str, Place]:
    places = {one: plain(one) for one in ("underlay", "control", "operator")}
    _keep(places)
    for one in NODES:
        places[one] = node(one, state() / "nodes" / one)
        _keep(places)
    wire(
        places["underlay"],
        {
            places["control"]: f"{control.ADDRESS}/24",
            places["operator"]: "192.168.79.5/24",
            **{places[one]: f"{address}/24" for one, address in NODES.items()},
        },
    )
    places["underlay"].run("ip", "address", "add", f"{GATEWAY}/24", "dev", "ul0")
    for one in NODES:
        places[one].run("ip", "route", "add", "default", "via", GATEWAY)
    return places


def _add_ipv6(places: Mapping[str, Place]) -> None:
    """Addresses and a default route that leads nowhere, as with IPv4. No time for DAD."""
    for place, device, address in (
        (places["underlay"], "ul0", GATEWAY_6),
        *((places[one], "eth0", address) for one, address in NODES_6.items()),
    ):
        place.run("ip", "address", "add", f"{address}/64", "dev", device, "nodad")
    for one in NODES_6:
        places[one].run("ip", "-6", "route", "add", "default", "via", GATEWAY_6)


def _keep(places: dict[str, Place]) -> None:
    text = json.dumps({one: place.pid for one, place in places.items()})
    (state() / "anchors.json").write_text(text)


def _images() -> list[Path]:
    """The archives of the images that every node gets."""
    found = []
    for file, make in (("box", images.box), ("flannel", images.flannel)):
        found.append(state() / f"{file}.tar")
        found[-1].write_bytes(make())
    return found


def _furnish(place: Place, archives: Sequence[Path]) -> None:
    """containerd with its images."""
    workers.make_cgroups(place)
    workers.start_containerd(place)
    for archive in archives:
        workers.ctr(place, "images", "import", archive)


def _has_account(cluster: Cluster) -> bool:
    try:
        cluster.get("serviceaccount", "default")
    except Failed:
        return False
    return True


def _cgroups() -> list[Path]:
    """Every cgroup of the cluster, the innermost first."""
    tops = [top for one in HIERARCHIES.iterdir() for top in one.glob(f"flantrace-{name()}-*")]
    found = [folder for top in tops for folder in (top, *top.rglob("*/")) if folder.is_dir()]
    return sorted(set(found), key=lambda folder: len(folder.parts), reverse=True)


def _processes() -> set[int]:
    found: set[int] = set()
    for folder in _cgroups():
        with contextlib.suppress(OSError):
            found |= {int(pid) for pid in (folder / "cgroup.procs").read_text().split()}
    return found


def _remove_cgroups() -> None:
    for _ in range(20):
        left = _cgroups()
        for folder in left:
            with contextlib.suppress(OSError):
                folder.rmdir()
        if not left:
            return
        time.sleep(0.1)
