"""What a machine can do for a trace, as it was found by trying: facts, not judged."""

from collections.abc import Mapping

from tracer.model.record import Record
from tracer.model.state import NotRead


class Try(Record, frozen=True, kw_only=True):
    """Something that was really tried."""

    worked: bool
    said: str = ""
    """What was said where it did not work; where it did, a detail."""


class Namespaces(Record, frozen=True, kw_only=True):
    """Network namespaces besides the node's own: those of its pods are among them."""

    found: int
    entered: int
    said: str = ""
    """Why the first that could not be entered could not."""
    hidden: str = ""
    """Why processes do not tell theirs, for want of CAP_SYS_PTRACE; empty: they do."""


class Health(Record, frozen=True, kw_only=True, tag="health", tag_field="kind"):
    """Everything that was tried on one machine."""

    node: str
    hostname: str
    version: str
    """flantrace's."""
    protocol: int
    kernel: str
    machine: str
    unix_ns: int
    """The machine's own clock."""
    user: int
    """Effective user id."""
    capabilities: tuple[str, ...]
    """In force, without `CAP_`."""
    seccomp: int | None
    """0: no filter, 2: system calls are filtered; None: the kernel does not say."""
    lockdown: str | None
    """none, integrity or confidentiality; None: the kernel has no such thing, or hides it."""
    kptr_restrict: int | None
    jit: int | None
    """net.core.bpf_jit_enable; None: not shown in this network namespace."""
    btf: Try
    ring: Try
    """A BPF map is made: the ring buffer."""
    device_program: Try
    """A BPF program for devices is loaded."""
    memory_program: Try
    """One that reads the kernel's memory is loaded."""
    tcx: Try
    drops: Try
    """A program is attached to the tracepoint kfree_skb."""
    reasons: Try
    """One that reads the drop's reason is."""
    compiler: Try
    """BCC and its LLVM can be had."""
    watch: Try
    """All of flantrace's own programs, compiled, loaded and attached to the loopback device."""
    symbols: Try
    """/proc/kallsyms shows addresses."""
    raw_socket: Try
    namespaces: Namespaces
    firewall: Mapping[str, str] = {}
    """Tool -> why it gave no rules; empty: it did."""
    not_read: tuple[NotRead, ...] = ()
    """Other parts of a node's state that could not be read."""
    subnet_env: bool = False
    """flanneld has written /run/flannel/subnet.env."""
    vxlan_devices: tuple[str, ...] = ()
    """`flannel.1 vni 1 udp 8472`."""
