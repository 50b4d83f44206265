"""iptables' matches whose options are one question: they depend on each other."""

from collections.abc import Callable, Sequence

from tracer.core.netfilter.addresses import Addresses
from tracer.core.netfilter.iptables_words import Option
from tracer.core.netfilter.model import Step
from tracer.core.netfilter.packet import Packet
from tracer.core.netfilter.steps import always, any_of, negation, unclear


class Setting:
    """Where rules stand, and the steps that some of them have already: many are the same."""

    def __init__(self, family: int, addresses: Addresses) -> None:
        self.family = family
        self.addresses = addresses
        self.known: dict[str, list[Step]] = {}


def _address_type(options: Sequence[Option], setting: Setting) -> Step:
    """addrtype is one question: its options depend on each other."""
    names = {option.name for option in options}
    limit = "iif" if "--limit-iface-in" in names else "oif" if "--limit-iface-out" in names else ""
    steps = []
    for option in options:
        if option.name in ("--src-type", "--dst-type"):
            field = "src" if option.name == "--src-type" else "dst"
            wanted = frozenset(option.values[0].lower().split(","))
            steps.append(_one_type(setting, field, wanted, limit, negated=option.negated))
        elif option.name not in ("--limit-iface-in", "--limit-iface-out"):
            return unclear
    return negation(any_of([negation(step) for step in steps]))


def _one_type(
    setting: Setting, field: str, wanted: frozenset[str], limit: str, *, negated: bool
) -> Step:
    if setting.family == 6 and not wanted <= {"local", "multicast"}:
        return unclear

    def step(packet: Packet) -> bool | None:
        number, device = getattr(packet, field), getattr(packet, limit) if limit else None
        if number is None or (limit and device is None):
            return None
        kind = setting.addresses.kind(packet.family, number, device)
        return None if kind is None else (kind in wanted) is not negated

    return step


def _owner(options: Sequence[Option], _setting: Setting) -> Step:
    """A packet that the node only forwards belongs to no socket (xt_owner.c)."""
    foreign = all(option.negated for option in options)
    return lambda packet: foreign if packet.iif else None


def _way_back(options: Sequence[Option], setting: Setting) -> Step:
    """rpfilter, strict; its other form takes any route."""
    names = {option.name for option in options}
    if not names <= {"--invert", "--validmark"}:
        return unclear

    def step(packet: Packet) -> bool | None:
        mark = packet.mark if "--validmark" in names else 0
        found = setting.addresses.way_back(packet, mark)
        return None if found is None else found is not ("--invert" in names)

    return step


def _recent(options: Sequence[Option], _setting: Setting) -> Step:
    """`--set` notes the packet, and holds."""
    noted = any(option.name == "--set" and not option.negated for option in options)
    return always if noted else unclear


def _ipset(options: Sequence[Option], setting: Setting) -> Step:
    """The sets themselves are in no dump. Of kube-proxy's it is known what they can hold."""
    option = options[0]
    if option.name != "--match-set" or len(options) != 1:
        return unclear
    name, fields = option.values[0].removeprefix("6-"), option.values[1].split(",")
    if name == "KUBE-LOOP-BACK" and fields == ["dst", "dst", "src"]:
        # Endpoint, port, the same endpoint: a pod that talks to itself by a Service.
        return _only_false(lambda packet: packet.src == packet.dst, negated=option.negated)
    if name in _SERVICES and fields[0] == "dst":
        return _only_false(
            lambda packet: setting.addresses.is_service(packet.family, packet.dst or 0),
            negated=option.negated,
        )
    return unclear


def _only_false(test: Callable[[Packet], bool | None], *, negated: bool) -> Step:
    """The test rules membership out, and never proves it."""

    def step(packet: Packet) -> bool | None:
        if packet.src is None or packet.dst is None:
            return None
        return negated if test(packet) is False else None

    return step


_SERVICES = frozenset({
    "KUBE-CLUSTER-IP", "KUBE-IPVS-IPS", "KUBE-EXTERNAL-IP", "KUBE-EXTERNAL-IP-LOCAL",
    "KUBE-LOAD-BALANCER", "KUBE-LOAD-BALANCER-LOCAL", "KUBE-LOAD-BALANCER-FW",
    "KUBE-LOAD-BALANCER-SOURCE-IP", "KUBE-LOAD-BALANCER-SOURCE-CIDR",
})  # fmt: skip
WHOLE: dict[str, Callable[[Sequence[Option], Setting], Step]] = {
    "addrtype": _address_type, "owner": _owner, "recent": _recent,
    "rpfilter": _way_back, "set": _ipset,
}  # fmt: skip
