"""What a machine's health means for traces on it: facts in, one item for each thing out."""

from collections.abc import Callable, Iterable, Sequence

from tracer.core.rights import WATCHING, lacking, named
from tracer.model.checkup import Item, Right, Standing
from tracer.model.health import Health
from tracer.model.message import PROTOCOL
from tracer.model.record import Record
from tracer.model.state import NotRead

ABSENT = "No such file or directory"
"""Not every node has every file: this one is no defect."""
REFUSED = "Operation not permitted"
NOT_INSTALLED = "not installed"

CLOCK_S = 5.0
"""Seconds by which two clocks may differ and the times in a recording still mean something."""

_ROOT = "run the agent as root, or in the pods of `flantrace install`: docs/reference/privileges.md"
_OLD = "Linux 5.10 or later, built with"


class Asked(Record, frozen=True, kw_only=True):
    """What is known on the operator's side of one node that was asked."""

    version: str
    """Of our own flantrace."""
    rights: tuple[Right, ...]
    pods: int | None = None
    """How many pods with a network of their own run there; None: not known."""
    clock_s: float | None = None
    """By how much its clock is ahead of ours; None: it cannot be told."""


def items(health: Health, asked: Asked) -> tuple[Item, ...]:
    """Causes before their effects."""
    parts: Sequence[Callable[[Health, Asked], Item | None]] = (
        _flantrace, _rights, _bpf, _types, _drops, _devices, _compiler, _programs, _jit,
        _symbols, _pods, _probes, _firewall, _files, _flannel, _clock,
    )  # fmt: skip
    found = (part(health, asked) for part in parts)
    return tuple(one for one in found if one is not None)


def _ok(name: str, said: str) -> Item:
    return Item(name=name, standing=Standing.OK, said=said)


def _less(name: str, said: str, without: str, remedy: str) -> Item:
    return Item(name=name, standing=Standing.LESS, said=said, without=without, remedy=remedy)


def _missing(name: str, said: str, without: str = "", remedy: str = "") -> Item:
    return Item(name=name, standing=Standing.MISSING, said=said, without=without, remedy=remedy)


def _flantrace(health: Health, asked: Asked) -> Item:
    same = "install the same version on both sides, or pass --agent"
    if health.protocol != PROTOCOL:
        said = f"flantrace {health.version} speaks protocol {health.protocol}, ours {PROTOCOL}"
        return _missing("flantrace", said, "nothing can be asked of it", same)
    if health.version != asked.version:
        said = f"{health.version} there, {asked.version} here"
        return _less("flantrace", said, "what is new in the later one", same)
    return _ok("flantrace", health.version)


def _lacking(health: Health, wanted: Iterable[str]) -> list[str]:
    return lacking(health.capabilities, wanted)


def _rights(health: Health, asked: Asked) -> Item:
    wanted = {right.capability for right in asked.rights if not right.optional}
    missing = _lacking(health, wanted)
    if not missing:
        return _ok("rights", "every capability that an agent uses")
    lost = [right.without for right in asked.rights if right.capability in missing]
    who = "" if health.user == 0 else f", as user {health.user}"
    said, without = f"the agent lacks {named(missing)}{who}", "; ".join(dict.fromkeys(lost))
    if WATCHING & set(missing):
        return _missing("rights", said, without, _ROOT)
    return _less("rights", said, without, _ROOT)


def _bpf(health: Health, _asked: Asked) -> Item:
    failed = next((one for one in (health.ring, health.device_program) if not one.worked), None)
    if failed is None:
        return _ok("BPF", "maps and programs can be made")
    without = "no packet is seen"
    if _lacking(health, WATCHING):
        return _missing("BPF", f"refused for want of rights: {failed.said}", without)
    return _missing("BPF", f"the kernel refuses: {failed.said}", without, _why_refused(health))


def _why_refused(health: Health) -> str:
    """What else may stand between an agent that has its capabilities and bpf()."""
    if health.seccomp == 2 and not health.ring.worked:
        return (
            "a seccomp filter is in force: seccompProfile Unconfined, or a runtime whose default"
            " profile lets bpf() pass with CAP_BPF"
        )
    if health.ring.said == REFUSED and "SYS_RESOURCE" not in health.capabilities:
        return (
            "below Linux 5.11 BPF needs locked memory: `flantrace install --old-kernels`, or"
            " ulimit -l unlimited"
        )
    return f"{_OLD} CONFIG_BPF_SYSCALL and CONFIG_NET_CLS_BPF"


def _types(health: Health, _asked: Asked) -> Item:
    if health.btf.worked:
        return _ok("BTF", "/sys/kernel/btf/vmlinux")
    remedy = f"{_OLD} CONFIG_DEBUG_INFO_BTF=y; in a container /sys must be mounted"
    return _missing("BTF", f"no BTF: {health.btf.said}", "no dropped packet is seen", remedy)


def _drops(health: Health, _asked: Asked) -> Item:
    failed = next((one for one in (health.memory_program, health.drops) if not one.worked), None)
    without = "no dropped packet is seen"
    if failed is not None and _lacking(health, WATCHING):
        return _missing("drops", f"refused for want of rights: {failed.said}", without)
    if failed is not None and _locked(health):
        said = f"programs may not read the kernel's memory: lockdown={health.lockdown or '?'}"
        remedy = "boot with lockdown=integrity or without; Secure Boot does not ask for more"
        return _missing("drops", said, without, remedy)
    if failed is not None:
        said = f"the tracepoint kfree_skb cannot be used: {failed.said}"
        return _missing("drops", said, without, f"{_OLD} CONFIG_TRACEPOINTS and CONFIG_BPF_EVENTS")
    if not health.btf.worked:
        return _missing("drops", "without BTF nothing of a packet can be read there", without)
    if not health.reasons.worked:
        without = "a drop has the function that freed the packet, and no reason"
        return _less("drops", "the kernel names no reasons", without, "Linux 5.17 or later")
    return _ok("drops", "seen, with the kernel's reasons")


def _locked(health: Health) -> bool:
    """Confidentiality takes bpf_probe_read_kernel away, and the verifier says so."""
    hidden = health.lockdown is None and "unknown func" in health.memory_program.said
    return health.lockdown == "confidentiality" or hidden


def _devices(health: Health, _asked: Asked) -> Item | None:
    if not health.device_program.worked:
        return None  # said under BPF
    if health.tcx.worked:
        return _ok("devices", "watched by tcx links")
    if health.watch.worked:
        without = "a trace that is killed leaves filters behind, which `flantrace cleanup` removes"
        return _less("devices", "watched by clsact filters", without, "Linux 6.6 or later")
    said = f"no program can be attached to a device: {health.tcx.said}"
    return _missing("devices", said, "no packet is seen", f"{_OLD} CONFIG_NET_CLS_ACT")


def _compiler(health: Health, _asked: Asked) -> Item:
    if health.compiler.worked:
        return _ok("compiler", health.compiler.said)
    remedy = (
        "install the distribution's python3-bpfcc, and make the .venv with its Python"
        " (--system-site-packages); flantrace's image has it"
    )
    return _missing("compiler", f"no BCC: {health.compiler.said}", "no packet is seen", remedy)


def _programs(health: Health, _asked: Asked) -> Item:
    if health.watch.worked:
        return _ok("programs", "compile, load and attach")
    without = "no packet is seen"
    if _lacking(health, WATCHING) or not (health.compiler.worked and health.ring.worked):
        return _missing("programs", "not tried to their end: see above", without)
    said, remedy = f"flantrace's own fail: {health.watch.said}", "please report it with --json"
    return _missing("programs", said, without, remedy)


def _jit(health: Health, _asked: Asked) -> Item | None:
    if health.jit != 0:
        return None
    without = "programs are interpreted: each costs every packet several times as much"
    return _less("JIT", "BPF's compiler is off", without, "sysctl -w net.core.bpf_jit_enable=1")


def _symbols(health: Health, _asked: Asked) -> Item:
    if health.symbols.worked:
        return _ok("symbols", "functions have their names")
    without = "a drop's function is `in an unnamed function`"
    if health.kptr_restrict == 2:
        said = "kernel addresses are hidden from everybody"
        return _less("symbols", said, without, "sysctl -w kernel.kptr_restrict=1")
    remedy = "" if _lacking(health, ["SYSLOG"]) else "is /proc/kallsyms there (CONFIG_KALLSYMS)?"
    said = f"kernel addresses are hidden from the agent: {health.symbols.said}"
    return _less("symbols", said, without, remedy)


def _pods(health: Health, asked: Asked) -> Item:
    spaces = health.namespaces
    without = "only --passive: no probe is sent from a pod, and its own tables are not read"
    if spaces.entered < spaces.found:
        closed = spaces.found - spaces.entered
        said = f"{closed} of {spaces.found} network namespaces cannot be entered: {spaces.said}"
        # said under the rights
        known = bool(_lacking(health, ["SYS_ADMIN"]))
        return _less("pods", said, "" if known else without, "" if known else _ROOT)
    if asked.pods and spaces.found == 0:
        said = f"of {asked.pods} pods no network namespace is seen"
        remedy = "hostPID: true and the node's /run/netns, as in the pods of `flantrace install`"
        return _less("pods", said, without, remedy)
    if spaces.hidden:
        said = f"only namespaces with a name are seen: {spaces.hidden}"
        return _less("pods", said, "a pod that is gone is not told from one that is hidden", _ROOT)
    if spaces.found == 0:
        return _ok("pods", "no network namespace but the node's own")
    return _ok("pods", "their network namespaces can be entered")


def _probes(health: Health, _asked: Asked) -> Item:
    if health.raw_socket.worked:
        return _ok("probes", "of every kind")
    without = "no ICMP probe is sent: --probe tcp, --probe udp and --passive work"
    said = f"raw sockets are refused: {health.raw_socket.said}"
    return _less("probes", said, without, "" if _lacking(health, ["NET_RAW"]) else _ROOT)


def _firewall(health: Health, _asked: Asked) -> Item:
    failed = {tool: why for tool, why in health.firewall.items() if why}
    read = [_short(tool) for tool, why in health.firewall.items() if not why]
    if not failed:
        return _ok("firewall", ", ".join(read) or "nothing to read")
    without = "rules of the firewall are not checked: check and predict are UNKNOWN"
    tool, why = next(iter(failed.items()))
    remedy = "install nftables and iptables" if NOT_INSTALLED in failed.values() else _ROOT
    return _less("firewall", f"{_short(tool)}: {why}", without, remedy)


def _short(tool: str) -> str:
    """`nft -j list ruleset` -> nft, `iptables-nft-save` -> iptables-nft."""
    return tool.split()[0].removesuffix("-save")


def _files(health: Health, _asked: Asked) -> Item:
    failed = [one for one in health.not_read if not _expected(one)]
    if not failed:
        return _ok("files", "all that are there can be read")
    without = "rules that need it are not checked"
    said = f"{failed[0].what}: {failed[0].why}"
    return _less("files", said, without, "" if _lacking(health, WATCHING) else _ROOT)


def _expected(one: NotRead) -> bool:
    return ABSENT in one.why


def _flannel(health: Health, _asked: Asked) -> Item:
    if health.subnet_env and health.vxlan_devices:
        return _ok("flannel", ", ".join(health.vxlan_devices))
    if not health.subnet_env:
        remedy = "does flanneld run there? In a container the node's /run/flannel must be mounted"
        without = "what flanneld wrote is not compared with what is in force"
        return _less("flannel", "no /run/flannel/subnet.env", without, remedy)
    remedy = "does flanneld run there, with the backend vxlan?"
    return _less("flannel", "no VXLAN device", "there is no overlay to follow", remedy)


def _clock(_health: Health, asked: Asked) -> Item | None:
    if asked.clock_s is None:
        return None
    if abs(asked.clock_s) <= CLOCK_S:
        return _ok("clock", "as ours")
    turn = "ahead of" if asked.clock_s > 0 else "behind"
    said = f"{abs(asked.clock_s):.0f} s {turn} ours"
    without = "dates in a recording do not fit together; no verdict depends on them"
    return _less("clock", said, without, "does a time service run there (timedatectl)?")
