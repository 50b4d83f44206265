"""Facts about a machine that has everything, to be taken things away from."""

from typing import Any

from msgspec.structs import replace

from tracer.core.checkup import Heard, Operator, Round
from tracer.core.fitness import Asked
from tracer.model.health import Health, Namespaces, Try
from tracer.model.message import PROTOCOL
from tracer.recording.rounds import RIGHTS

YES = Try(worked=True)
CAPABILITIES = (
    "BPF", "NET_ADMIN", "NET_BROADCAST", "NET_RAW", "PERFMON", "SYSLOG", "SYS_ADMIN", "SYS_PTRACE",
)  # fmt: skip
ASKED = Asked(version="0.1.0", rights=RIGHTS)

SOUND = Health(
    node="node-a",
    hostname="node-a",
    version="0.1.0",
    protocol=PROTOCOL,
    kernel="6.12.8-amd64",
    machine="x86_64",
    unix_ns=0,
    user=0,
    capabilities=CAPABILITIES,
    seccomp=2,
    lockdown="none",
    kptr_restrict=0,
    jit=1,
    btf=YES,
    ring=YES,
    device_program=YES,
    memory_program=YES,
    tcx=YES,
    drops=YES,
    reasons=YES,
    compiler=Try(worked=True, said="bcc 0.26.0"),
    watch=Try(worked=True, said="tcx"),
    symbols=YES,
    raw_socket=YES,
    namespaces=Namespaces(found=2, entered=2),
    firewall={"nft -j list ruleset": ""},
    subnet_env=True,
    vxlan_devices=("flannel.1 vni 1 udp 8472",),
)


def no(said: str) -> Try:
    """It did not work."""
    return Try(worked=False, said=said)


def health(node: str = "node-a", **parts: Any) -> Health:
    """A sound machine, but for some parts."""
    return replace(SOUND, node=node, **parts)


def without(*names: str) -> tuple[str, ...]:
    """The capabilities of an agent, but for these."""
    return tuple(name for name in CAPABILITIES if name not in names)


def asked(*nodes: Heard, operator: Operator | None = None) -> Round:
    """Everything that was asked."""
    return Round(
        recorded_at="2026-11-29T12:00:00.000+00:00",
        version="0.1.0",
        rights=RIGHTS,
        operator=operator,
        nodes=nodes,
    )
