"""What this machine can do for a trace: everything that an agent does, tried once and undone."""

import os
import re
import socket
import time
from pathlib import Path

from tracer import __version__
from tracer.collect import bpf_tries, btf, capabilities, netns, snapshot, symbols
from tracer.collect.bpf_tries import tried
from tracer.errors import CollectFailed, FlantraceError
from tracer.model.health import Health, Namespaces, Try
from tracer.model.message import PROTOCOL
from tracer.model.observation import AttachedPoint, Device
from tracer.model.state import FirewallDump, NodeState, NotRead

SUBNET_ENV = "/run/flannel/subnet.env"

_STATUS = Path("/proc/self/status")
_LOCKDOWN = Path("/sys/kernel/security/lockdown")
_KPTR_RESTRICT = Path("/proc/sys/kernel/kptr_restrict")
_JIT = Path("/proc/sys/net/core/bpf_jit_enable")

_TOOLS = re.compile(r"nft |ip6?tables-")
"""How what collect/firewall.py could not read begins."""


def health(node: str) -> Health:
    """Everything, tried now. Never fails: what does not work is an answer."""
    state, not_read = _state(node)
    kernel = os.uname()
    return Health(
        node=node,
        hostname=kernel.nodename,
        version=__version__,
        protocol=PROTOCOL,
        kernel=kernel.release,
        machine=kernel.machine,
        user=os.geteuid(),
        capabilities=tuple(sorted(capabilities.effective())),
        seccomp=_number(r"^Seccomp:\s*(\d+)", _STATUS),
        lockdown=_word(r"\[(\w+)\]", _LOCKDOWN),
        kptr_restrict=_number(r"(\d+)", _KPTR_RESTRICT),
        jit=_number(r"(\d+)", _JIT),
        btf=tried(_types),
        ring=bpf_tries.ring(),
        device_program=bpf_tries.device_program(),
        memory_program=bpf_tries.memory_program(),
        tcx=bpf_tries.tcx(),
        drops=bpf_tries.drops(),
        reasons=bpf_tries.reasons(),
        compiler=tried(_compiler),
        watch=_watch(node),
        symbols=tried(_symbols),
        raw_socket=tried(_raw_socket),
        namespaces=_namespaces(),
        firewall=_firewall(state, not_read),
        not_read=tuple(one for one in not_read if not _TOOLS.match(one.what)),
        subnet_env=state is not None and SUBNET_ENV in state.files,
        vxlan_devices=_vxlan_devices(state),
        # last: held against the operator's clock when it arrives
        unix_ns=time.time_ns(),
    )


def _state(node: str) -> tuple[NodeState | None, tuple[NotRead, ...]]:
    """A snapshot as a check takes it."""
    try:
        state = snapshot.snapshot(node, pods=())
    except CollectFailed as error:
        return None, (NotRead(what="rtnetlink", why=error.what),)
    return state, state.not_read


def _types() -> str:
    found = btf.load()
    if found is None:
        # one more time, for what the kernel says
        btf.VMLINUX.open("rb").close()
        raise OSError(0, f"{btf.VMLINUX} cannot be understood")
    return ""


def _compiler() -> str:
    from tracer.collect.bpf import compiler_version

    return f"bcc {compiler_version()}"


def _watch(node: str) -> Try:
    """Attach what a trace attaches, to the loopback device, for packets that there are none of."""
    from tracer.collect.bpf import Filter, Watch

    nobody = ("192.0.2.1", "192.0.2.2")
    here = netns.own_inode()
    try:
        point = AttachedPoint(
            device=Device.UNKNOWN, ifindex=socket.if_nametoindex("lo"), ifname="lo"
        )
        with Watch(
            node, Filter(pair=nobody, vxlan_ports=(8472,), netns=(here,)), (point,)
        ) as watch:
            return Try(worked=True, said=", ".join((watch.attach, *watch.problems)))
    except FlantraceError as error:
        return Try(worked=False, said=f"{error.what}: {error.hint}")
    except OSError as error:
        return Try(worked=False, said=error.strerror or str(error))


def _symbols() -> str:
    if not symbols.shown():
        raise OSError(0, "every address is zero")
    return ""


def _raw_socket() -> str:
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()
    return ""


def _namespaces() -> Namespaces:
    """Enter each of them, and do nothing there."""
    found, refused = netns.others()
    entered, said = 0, ""
    for path in found.values():
        try:
            with netns.opened(path) as descriptor:
                netns.inside(descriptor, _nothing)
            entered += 1
        except FileNotFoundError:
            entered += 1  # it went away meanwhile
        except OSError as error:
            said = said or error.strerror or str(error)
    hidden = (refused.strerror or str(refused)) if refused is not None else ""
    return Namespaces(found=len(found), entered=entered, said=said, hidden=hidden)


def _nothing() -> None:
    """What is done in a namespace that is only tried."""


def _firewall(state: NodeState | None, not_read: tuple[NotRead, ...]) -> dict[str, str]:
    dumps: tuple[FirewallDump, ...] = state.firewall if state is not None else ()
    failed = {one.what: one.why for one in not_read if _TOOLS.match(one.what)}
    return {dump.tool: "" for dump in dumps} | failed


def _vxlan_devices(state: NodeState | None) -> tuple[str, ...]:
    links = state.links if state is not None else ()
    return tuple(
        f"{link.ifname} vni {link.vxlan.vni} udp {link.vxlan.port}"
        for link in links
        if link.vxlan is not None
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _word(pattern: str, path: Path) -> str | None:
    found = re.search(pattern, _read(path), re.M)
    return found.group(1) if found else None


def _number(pattern: str, path: Path) -> int | None:
    word = _word(pattern, path)
    return int(word) if word is not None else None
