"""Building the lab and taking it away again."""

import json
import os
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from tracer.errors import NotPermitted, UsageError
from tracer.lab import (
    cni,
    firewall,
    flanneld,
    journal,
    namespaces,
    objects,
    overlay,
    paths,
    server,
    services,
)
from tracer.lab.inhabitants import end_inhabitants
from tracer.lab.mountpoints import is_mounted, source_of
from tracer.lab.plan import FEWEST_NODES, MOST_NODES, PlannedNode, planned
from tracer.lab.rest import Api
from tracer.lab.shape import PLAIN, Shape, shape_named
from tracer.lab.shell import ip, tool, write_in_node
from tracer.lab.syscalls import MS_PRIVATE, mount, unmount
from tracer.lab.topology import build_switch, cables, check_kernel, start_node

Say = Callable[[str], None]
K3S_NET_CONF = "/var/lib/rancher/k3s/agent/etc/flannel/net-conf.json"


def up(nodes: int, say: Say, shape_name: str = PLAIN.name) -> None:
    """Build the lab in a shape; what a crash left is cleared first. Raises FlantraceError."""
    shape = shape_named(shape_name)
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
        if here.shape != shape.name:
            raise UsageError(
                f"a lab of the shape {here.shape} is up", where="--shape", hint="flantrace lab down"
            )
        say("the lab is up already")
        return
    if os.path.lexists(paths.LAB_ROOT):
        say("clearing what an earlier lab left")
        down(say)
    _check_tools(shape)
    try:
        _build(nodes, shape)
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
        end_inhabitants(here.netns, here.plan)
    namespaces.remove_mount_namespaces()
    if here is not None:
        namespaces.remove_network_namespaces(here.netns)
        namespaces.close_netns_dir(here)
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


def _check_tools(shape: Shape) -> None:
    needed = ["nft"] if shape.natted else ["iptables-restore"] if shape.services else []
    for name in ("ip", "bridge", "nsenter", *needed):
        tool(name)
    for name in ("bridge", "host-local", "loopback"):
        cni.plugin(name)
    check_kernel(shape)


def _build(nodes: int, shape: Shape) -> None:
    plan = planned(nodes, shape)
    names = [paths.UNDERLAY, *(node.name for node in plan)]
    names += [pod.name for node in plan for pod in node.pods]
    namespaces.refuse_foreign_names(names)
    os.mkdir(paths.LAB_ROOT, 0o700)
    mount(paths.TMPFS_SOURCE, paths.LAB_ROOT, "tmpfs", options="mode=0700")
    mount("", paths.LAB_ROOT, flags=MS_PRIVATE)
    record = journal.Journal(id=secrets.token_hex(16), nodes=nodes, shape=shape.name)
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
    for node in plan:
        server.answer_in(node.name)
    _fill_api(plan)
    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(lambda node: _finish_node(node, plan), plan))
    record.vtep_indexes = overlay.vtep_indexes(plan)
    record.ready = True
    record.save()


def join() -> None:
    """Let one node more join the running lab. Raises FlantraceError."""
    here = journal.present()
    before = here.plan
    here.nodes += 1
    plan = here.plan
    node = plan[-1]
    names = [node.name, *(pod.name for pod in node.pods)]
    namespaces.refuse_foreign_names(names)
    here.netns += names
    here.save()
    namespaces.make_network_namespaces(names)
    namespaces.make_mount_namespaces([node])
    ip(paths.UNDERLAY, cables(node))
    _start_flannel(node)
    server.answer_in(node.name)
    api = Api()
    _add_node_objects(api, node, _now())
    api.close()
    _finish_node(node, plan)
    for each in before:
        overlay.write_entries(each, plan)


def leave() -> None:
    """Take the node that joined last away. Others' entries for it stay, as do its API objects."""
    here = journal.present()
    node = here.plan[-1]
    names = [node.name, *(pod.name for pod in node.pods)]
    end_inhabitants(names, [node])
    server.leave(node.name)
    namespaces.remove_mount_namespaces([node.name])
    namespaces.remove_network_namespaces(names)
    here.netns = [name for name in here.netns if name not in names]
    here.nodes -= 1
    here.save()


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: TID251 - the cluster's clock


def _start_flannel(node: PlannedNode) -> None:
    """The node, and what its flanneld does before it looks at its peers."""
    start_node(node)
    overlay.make_devices(node)
    flanneld.write_subnet_env(node.name, *overlay.healthy_vteps(node))
    cni.install_conf(node)
    if node.shape.k3s:
        write_in_node(node.name, K3S_NET_CONF, _k3s_net_conf(node.shape))


def _k3s_net_conf(shape: Shape) -> str:
    """k3s pkg/agent/flannel/setup.go; without IPv6 it names the empty network."""
    conf = {
        "Network": shape.network,
        "EnableIPv6": False,
        "EnableIPv4": True,
        "IPv6Network": "::/0",
        "Backend": dict(shape.backend),
    }
    return json.dumps(conf, indent="\t") + "\n"


def _finish_node(node: PlannedNode, plan: tuple[PlannedNode, ...]) -> None:
    """The node's entries for its peers, its rules, its pods."""
    vteps = overlay.healthy_vteps(node)
    overlay.write_entries(node, plan)
    for vtep in vteps:
        install = firewall.install_nftables if node.shape.nftables else firewall.install
        install(node.name, vtep.backend.network, vtep.pod_cidr)
    if node.shape.services:
        services.install(node.name, node.shape, plan)
    cni.add_pods(node, *vteps)


def _fill_api(plan: tuple[PlannedNode, ...]) -> None:
    api, now = Api(), _now()
    shape = plan[0].shape
    for each in objects.namespaces(shape):
        api.create(each)
    if not shape.k3s:
        api.create(objects.flannel_config(shape))
        api.create(objects.flannel_daemonset(len(plan), shape))
        api.create(objects.controller_manager(plan[0], now))
    for node in plan:
        _add_node_objects(api, node, now)
    api.create(objects.host_pod(plan[1], now))
    api.create(objects.pending_pod())
    for each in services.objects(plan) if shape.services else ():
        api.create(each)
    overlay.remember_objects(api)
    api.close()


def _add_node_objects(api: Api, node: PlannedNode, now: str) -> None:
    """What kubelet, scheduler and flanneld write when a node joins."""
    api.create(objects.node(node, now))
    api.create(objects.lease(node, now))
    if not node.shape.k3s:
        api.create(objects.flannel_pod(node, now))
    for pod in node.pods:
        api.create(objects.pod(pod, node, now))
    notes = overlay.healthy_annotations(node)
    api.patch("Node", node.name, {"metadata": {"annotations": notes}}, part="/status")
