"""From what is asked for to what is sent."""

from tracer.errors import UsageError
from tracer.model.request import ProbeKind, ProbePlan

MOST_PROBES = 1000
"""A trace explains packets; a flood of them explains nothing more."""

USUAL_PROBES = 5


def probe_plan(kind: str, port: int | None, count: int | None, size: int | None) -> ProbePlan:
    """The probes that these words mean. `count` and `size` None: five small ones, and one of full
    MTU where an echo can carry it. UsageError for a contradiction.
    """
    if kind not in (ProbeKind.ICMP, ProbeKind.TCP, ProbeKind.UDP):
        raise UsageError(f"{kind!r} is no probe", where="--probe", hint="icmp, tcp or udp")
    if kind != ProbeKind.ICMP and port is None:
        raise UsageError(
            f"--probe {kind} needs --port", where="the command line", hint="--port 80, say"
        )
    if kind == ProbeKind.ICMP and port is not None:
        raise UsageError(
            "--port is for tcp and udp probes", where="the command line", hint="add --probe tcp"
        )
    if count is not None and not 1 <= count <= MOST_PROBES:
        raise UsageError(
            f"{count} probes cannot be sent", where="--count", hint=f"from 1 to {MOST_PROBES}"
        )
    return ProbePlan(
        kind=ProbeKind(kind),
        port=port,
        count=count if count is not None else USUAL_PROBES,
        size=size,
        full_mtu=kind == ProbeKind.ICMP and count is None and size is None,
    )
