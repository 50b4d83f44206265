"""After kill -9, nothing of ours is left; below Linux 6.6, nothing after the next start."""

import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pyroute2 import IPRoute

from tests.kernel.overlay import Overlay, inside, ip
from tracer.collect import clsact
from tracer.collect.bpf import Watch, compile_source, load
from tracer.collect.syscall import bpf
from tracer.model.observation import AttachedPoint, Device

pytestmark = pytest.mark.kernel

PROG_GET_FD_BY_ID = 13

CHILD = """
import os, signal, sys
from tests.kernel.overlay import Overlay, inside
overlay = Overlay()
overlay.names = sys.argv[2:]
with inside(overlay.node(1)):
    watch = overlay.watch(1, prefer=sys.argv[1])
    print("ready", flush=True)
    signal.pause()
"""


@contextmanager
def watcher(overlay: Overlay, prefer: str) -> Iterator["subprocess.Popen[str]"]:
    """Another process that watches node1."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, prefer, *overlay.names], stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None
        assert select.select([child.stdout], [], [], 30)[0]
        assert child.stdout.readline() == "ready\n"
        yield child
    finally:
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


def tc(overlay: Overlay, *words: str) -> str:
    return subprocess.run(
        ["tc", "-n", overlay.node(1), *words], check=True, capture_output=True, text=True
    ).stdout


def filters(overlay: Overlay) -> list[str]:
    """Names of our filters on node1's devices."""
    found = []
    for device in ("vpod", "cni0", "flannel.1", "eth0"):
        for side in ("ingress", "egress"):
            text = tc(overlay, "filter", "show", "dev", device, side)
            found += [word for word in text.split() if word.startswith("flantrace-")]
    return found


def tcx_programs(overlay: Overlay) -> list[int]:
    """Ids of the programs on node1's tcx hooks, by BPF_PROG_QUERY."""
    import ctypes

    ids = (ctypes.c_uint32 * 64)()
    found: list[int] = []
    with inside(overlay.node(1)):
        for _, name in socket.if_nameindex():
            for hook in (46, 47):
                index = socket.if_nametoindex(name)
                request = struct.pack("=IIIIQI", index, hook, 0, 0, ctypes.addressof(ids), 64)
                _, answer = bpf(16, request)
                found += ids[: struct.unpack_from("=IIIIQI", answer)[5]]
    return found


def exists(program: int) -> bool:
    try:
        fd, _ = bpf(PROG_GET_FD_BY_ID, struct.pack("=I", program))
    except FileNotFoundError:
        return False
    os.close(fd)
    return True


def clean(overlay: Overlay) -> list[str]:
    with inside(overlay.node(1)):
        return clsact.cleanup()


def test_tcx_leaves_no_program_and_no_link_after_kill_9(overlay: Overlay) -> None:
    with watcher(overlay, "tcx") as child:
        programs = set(tcx_programs(overlay))
        assert len(tcx_programs(overlay)) == 8
        assert len(programs) == 2
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert tcx_programs(overlay) == []
    deadline = time.monotonic() + 5  # the kernel frees programs after a grace period
    while any(map(exists, programs)) and time.monotonic() < deadline:
        select.select([], [], [], 0.01)
    assert not any(map(exists, programs))


def test_clsact_is_left_by_kill_9_and_taken_away_by_cleanup(overlay: Overlay) -> None:
    before = tc(overlay, "qdisc", "show")
    with watcher(overlay, "clsact"):
        assert len(filters(overlay)) == 8
    assert len(filters(overlay)) == 8
    removed = clean(overlay)
    assert len([line for line in removed if line.startswith("filter flantrace-")]) == 8
    assert sorted(line for line in removed if line.startswith("clsact")) == [
        "clsact qdisc on cni0",
        "clsact qdisc on eth0",
        "clsact qdisc on flannel.1",
        "clsact qdisc on vpod",
    ]
    assert tc(overlay, "qdisc", "show") == before
    assert clean(overlay) == []


def test_clsact_filters_of_the_dead_go_at_the_next_start(overlay: Overlay) -> None:
    with watcher(overlay, "clsact"):
        dead = set(filters(overlay))
    with overlay.watch(1, prefer="clsact"):
        assert len(filters(overlay)) == 8
        assert not dead & set(filters(overlay))
    assert filters(overlay) == []
    assert "clsact" not in tc(overlay, "qdisc", "show")


def test_cleanup_leaves_a_running_trace_alone(overlay: Overlay) -> None:
    with watcher(overlay, "clsact"):
        assert clean(overlay) == []
        assert len(filters(overlay)) == 8
    clean(overlay)


def test_the_last_of_two_traces_takes_the_qdisc_away(overlay: Overlay) -> None:
    first = overlay.watch(1, prefer="clsact")
    second = overlay.watch(1, prefer="clsact")
    assert len(filters(overlay)) == 16
    first.close()
    assert len(filters(overlay)) == 8
    assert tc(overlay, "qdisc", "show").count("clsact") == 4
    second.close()
    assert "clsact" not in tc(overlay, "qdisc", "show")


def test_a_qdisc_and_a_filter_of_somebody_else_stay(overlay: Overlay) -> None:
    module = compile_source("int theirs(struct __sk_buff *s) { return -1; }", [])
    program = load(module, "theirs", "SCHED_CLS")
    tc(overlay, "qdisc", "add", "dev", "cni0", "clsact")
    with inside(overlay.node(1)), IPRoute() as ipr:
        index = socket.if_nametoindex("cni0")
        add = {"fd": program, "name": "theirs", "parent": 0xFFFFFFF2, "prio": 1, "flags": 1}
        ipr.tc("add-filter", "bpf", index, protocol=3, **add)
    try:
        with overlay.watch(1, prefer="clsact"):
            assert len(filters(overlay)) == 8
        assert filters(overlay) == []
        assert "clsact" in tc(overlay, "qdisc", "show", "dev", "cni0")
        assert "theirs" in tc(overlay, "filter", "show", "dev", "cni0", "ingress")
    finally:
        tc(overlay, "qdisc", "del", "dev", "cni0", "clsact")
        module.cleanup()


def test_links_that_vanish_under_a_trace_do_not_disturb_its_end(overlay: Overlay) -> None:
    for prefer in ("tcx", "clsact"):
        ip("link add v-gone type veth peer name v-peer", ns=overlay.node(1))
        with inside(overlay.node(1)):
            index = socket.if_nametoindex("v-gone")
            point = AttachedPoint(device=Device.POD, ifindex=index, ifname="v-gone")
            watch = Watch("node1", overlay.filter(1), [point], prefer=prefer)
            ip("link del v-gone", ns=overlay.node(1))
            watch.close()
            assert watch.drain() == []
            assert watch.lost() == 0
