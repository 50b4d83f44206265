"""Which capability an agent needs for what: the one table that manifests, docs and tests go by."""

from enum import StrEnum

from tracer.model.record import Record


class Group(StrEnum):
    """When an agent's container has a capability."""

    ALWAYS = "always"
    ENTERING = "unless `--passive-only`"
    OLD_KERNELS = "with `--old-kernels`"


class Privilege(Record, frozen=True, kw_only=True):
    """One capability, for one feature."""

    capability: str
    """As a container's securityContext has it: without `CAP_`."""
    group: Group
    feature: str
    why: str
    """The place in the kernel that asks for it."""
    without: str
    """What is lost without it."""


PRIVILEGES = (
    Privilege(
        capability="BPF",
        group=Group.ALWAYS,
        feature="packets are watched",
        why="`bpf()` makes maps and loads programs: `kernel/bpf/syscall.c`, `bpf_capable()`",
        without="no packet is seen: a trace is UNKNOWN. check and predict are whole",
    ),
    Privilege(
        capability="PERFMON",
        group=Group.ALWAYS,
        feature="packets are watched, and the kernel's drops with their reasons",
        why="programs read kernel memory: `kernel/bpf/syscall.c`, `is_perfmon_prog_type()`;"
        " `kernel/bpf/verifier.c`, `bpf_allow_ptr_leaks()`",
        without="no packet is seen: a trace is UNKNOWN. check and predict are whole",
    ),
    Privilege(
        capability="NET_ADMIN",
        group=Group.ALWAYS,
        feature="packets are watched at devices",
        why="tc programs are loaded and attached: `kernel/bpf/syscall.c`,"
        " `is_net_admin_prog_type()`; below Linux 6.6 `net/core/rtnetlink.c`",
        without="no packet is seen, unless SYS_ADMIN is there",
    ),
    Privilege(
        capability="NET_ADMIN",
        group=Group.ALWAYS,
        feature="firewalls are read",
        why="nft and iptables list their rules: `net/netfilter/nfnetlink.c`,"
        " `net/ipv4/netfilter/ip_tables.c`",
        without="rules of the firewall are not checked: check and predict are UNKNOWN",
    ),
    Privilege(
        capability="NET_RAW",
        group=Group.ALWAYS,
        feature="ICMP probes",
        why="a raw socket in the sending pod: `net/ipv4/af_inet.c`, `inet_create()`",
        without="no ICMP probe is sent. `--probe tcp`, `--probe udp` and `--passive` are whole",
    ),
    Privilege(
        capability="NET_RAW",
        group=Group.ALWAYS,
        feature="rules of iptables-legacy are read",
        why="iptables-legacy asks by a raw socket: `net/ipv4/af_inet.c`, `inet_create()`",
        without="they are not checked, where a node has any: check and predict are UNKNOWN there",
    ),
    Privilege(
        capability="SYSLOG",
        group=Group.ALWAYS,
        feature="the function that freed a packet has its name",
        why="addresses in `/proc/kallsyms`: `kernel/ksyms_common.c`, `kallsyms_show_value()`; with"
        " `kernel.kptr_restrict=2` nobody sees them",
        without="`in an unnamed function`. Rules go by the drop's reason, which Linux names from"
        " 5.17 on; before, no drop has a cause",
    ),
    Privilege(
        capability="SYS_ADMIN",
        group=Group.ENTERING,
        feature="probes are sent from the pod, and its own routes and device are read",
        why="`setns()` into the pod's network namespace: `net/core/net_namespace.c`,"
        " `netns_install()`",
        without="only `--passive`; four rules about the inside of pods are not checked; drops"
        " inside of a pod are not seen; its veth is found by the bridge's entries, if it has sent"
        " lately",
    ),
    Privilege(
        capability="NET_BROADCAST",
        group=Group.ENTERING,
        feature="a watch hears at once of what changes in a pod's own network",
        why="netlink of other network namespaces: `net/netlink/af_netlink.c`,"
        " `netlink_setsockopt()`, NETLINK_LISTEN_ALL_NSID",
        without="a watch sees it when it looks next, within half a minute",
    ),
    Privilege(
        capability="SYS_PTRACE",
        group=Group.ENTERING,
        feature="a pod that is gone is told from one that is hidden",
        why="`/proc/PID/ns/net` of other processes: `kernel/ptrace.c`, `__ptrace_may_access()`",
        without="only namespaces that have a name in `/run/netns` are found (containerd and CRI-O"
        " give each pod's one); `pod-gone` is not checked",
    ),
    Privilege(
        capability="SYS_RESOURCE",
        group=Group.OLD_KERNELS,
        feature="packets are watched on Linux 5.10",
        why="BPF's memory counts as locked, and the limit is raised: `kernel/bpf/syscall.c`,"
        " `bpf_charge_memlock()`, until 5.11",
        without="no packet is seen there, unless the runtime's limit of locked memory is high",
    ),
)


def capabilities(*, passive_only: bool, old_kernels: bool) -> list[str]:
    """What an agent's container gets, in alphabetical order."""
    groups = {Group.ALWAYS}
    groups |= set() if passive_only else {Group.ENTERING}
    groups |= {Group.OLD_KERNELS} if old_kernels else set()
    return sorted({one.capability for one in PRIVILEGES if one.group in groups})
