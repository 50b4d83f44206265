"""Building the lab and taking it away again."""

import os
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from tracer.errors import NotPermitted, UsageError
from tracer.lab import cni, firewall, flanneld, journal, namespaces, objects, overlay, paths, server
from tracer.lab.inhabitants import end_inhabitants
from tracer.lab.mountpoints import is_mounted, source_of
from tracer.lab.plan import FEWEST_NODES, MOST_NODES, NETWORK, PlannedNode, planned
from tracer.lab.rest import Api
from tracer.lab.shell import tool
from tracer.lab.syscalls import MS_PRIVATE, mount, unmount
from tracer.lab.topology import build_switch, start_node

Say = Callable[[str], None]


def up(nodes: int, say: Say) -> None:
    """Build the lab; what a crash left is cleared first. Raises FlantraceError."""
    if not FEWEST_NODES <= nodes <= MOST_NODES:
        raise UsageError(
            f"a lab of {nodes} nodes",
            where="--nodes",
            hint=f"{FEWEST_NODES} to {MOST_NODES}",
        )
    here = journal.saved()
    if here is not None and here.ready and server.alive():
        if here.nodes != nodes:
            raise UsageError(
                f"a lab of {here.nodes} nodes is up", where="--nodes", hint="flantrace lab down"
            )
        say("the lab is up already")
        return
    if os.path.lexists(paths.LAB_ROOT):
        say("clearing what an earlier lab left")
        down(say)
    _check_tools()
    try:
        _build(nodes)
    except BaseException:
        down(lambda _: None)
        raise


def down(say: Say) -> None:
    """Take everything away that a lab made, whole or half. Nothing there is no error."""
    if not is_mounted(paths.LAB_ROOT):
        if os.path.isdir(paths.LAB_ROOT) and not os.listdir(paths.LAB_ROOT):
            os.rmdir(paths.LAB_ROOT)
        elif os.path.lexists(paths.LAB_ROOT):
            raise _foreign_root()
        else:
            say("no lab is up")
        return
    _check_root_is_ours()
    here = journal.saved()
    if here is not None:
        server.stop(here.id)
        end_inhabitants(here)
    namespaces.remove_mount_namespaces()
    if here is not None:
        namespaces.remove_network_namespaces(here)
    unmount(paths.LAB_ROOT)
    os.rmdir(paths.LAB_ROOT)


def _check_root_is_ours() -> None:
    if source_of(paths.LAB_ROOT) != ("tmpfs", paths.TMPFS_SOURCE):
        raise _foreign_root()


def _foreign_root() -> NotPermitted:
    return NotPermitted(
        f"{paths.LAB_ROOT} exists, and no lab made it",
        where=paths.LAB_ROOT,
        hint="move it away if nobody needs it",
    )


def _check_tools() -> None:
    for name in ("ip", "bridge", "nsenter"):
        tool(name)
    for name in ("bridge", "host-local", "loopback"):
        cni.plugin(name)


def _build(nodes: int) -> None:
    plan = planned(nodes)
    names = [paths.UNDERLAY, *(node.name for node in plan)]
    names += [pod.name for node in plan for pod in node.pods]
    namespaces.refuse_foreign_names(names)
    os.mkdir(paths.LAB_ROOT, 0o700)
    mount(paths.TMPFS_SOURCE, paths.LAB_ROOT, "tmpfs", options="mode=0700")
    mount("", paths.LAB_ROOT, flags=MS_PRIVATE)
    record = journal.Journal(id=secrets.token_hex(16), nodes=nodes)
    record.save()
    server.start(record.id)
    namespaces.open_netns_dir(record)
    record.netns = names
    record.save()
    namespaces.make_network_namespaces(names)
    namespaces.make_mount_namespaces(plan)
    build_switch(plan)
    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(_start_flannel, plan))
    server.check_answers()
    _fill_api(plan)
    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(lambda node: _finish_node(node, plan), plan))
    record.vtep_indexes = overlay.vtep_indexes(plan)
    record.ready = True
    record.save()


def _start_flannel(node: PlannedNode) -> None:
    """The node, and what its flanneld does before it looks at its peers."""
    start_node(node)
    vtep = overlay.healthy_vtep(node)
    flanneld.create_device(node.name, vtep)
    flanneld.write_subnet_env(node.name, vtep)
    cni.install_conf(node.name)


def _finish_node(node: PlannedNode, plan: tuple[PlannedNode, ...]) -> None:
    """The node's entries for its peers, its rules, its pods."""
    vtep = overlay.healthy_vtep(node)
    flanneld.add_peers(node.name, vtep.backend.device, overlay.healthy_peers(node, plan))
    firewall.install(node.name, NETWORK, node.pod_cidr)
    cni.add_pods(node, vtep)


def _fill_api(plan: tuple[PlannedNode, ...]) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: TID251 - the cluster's clock
    api = Api()
    for each in [
        *objects.namespaces(),
        objects.flannel_config(),
        objects.flannel_daemonset(len(plan)),
        objects.controller_manager(plan[0], now),
        *(objects.node(node, now) for node in plan),
        *(objects.lease(node, now) for node in plan),
        *(objects.flannel_pod(node, now) for node in plan),
        *(objects.pod(pod, node, now) for node in plan for pod in node.pods),
        objects.host_pod(plan[1], now),
        objects.pending_pod(),
    ]:
        api.create(each)
    for node in plan:
        notes = flanneld.annotations(overlay.healthy_vtep(node))
        api.patch("Node", node.name, {"metadata": {"annotations": notes}}, part="/status")
    overlay.remember_objects(api)
    api.close()
