"""Rulesets out of a seed, in iptables' language: rules that hit about as often as they miss."""

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from tests.kernel.netfilter.router import A4, A6, B4, B6, C4, C6, R4, R6, S4, S6
from tracer.core.netfilter.probe import Probe

PORTS = (53, 80, 443, 8472, 9000)
SOURCES = {4: ("10.1.0.2/32", "10.1.0.0/24", "10.0.0.0/8", "10.9.0.0/16", "10.1.0.0/255.255.0.255"),
           6: ("fd01::2/128", "fd01::/64", "fd00::/8", "fd09::/32")}  # fmt: skip
TARGETS = {4: (f"{B4}/32", "10.2.0.0/24", "10.2.0.3/32", f"{R4}/32", "224.0.0.0/4", "10.0.0.0/8"),
           6: (f"{B6}/128", "fd02::/64", "fd02::3/128", f"{R6}/128", "ff00::/8")}  # fmt: skip
MARKS = ("0x1", "0x4000/0x4000", "0x0/0xff")


class Case(NamedTuple):
    """One ruleset, ready to be installed, and what may be sent through it."""

    nft: str = ""
    """For `nft -f`, first."""
    restores: tuple[tuple[str, str], ...] = ()
    """Then the text for each iptables-restore tool."""


class Dice(random.Random):
    """A seeded random, with what is asked of it most."""

    def often(self, share: float) -> bool:
        """True in so many of 1."""
        return self.random() < share


def probes(dice: Dice, count: int) -> list[tuple[str, Probe]]:
    """Packets by their way: `forward`, `input` or `output`."""
    made = []
    for _ in range(count):
        family = dice.choice((4, 4, 6))
        way = dice.choice(("forward", "forward", "forward", "input", "output"))
        a, b, c, r, s = (A4, B4, C4, R4, S4) if family == 4 else (A6, B6, C6, R6, S6)
        protocol = dice.choice(("udp", "udp", "tcp", "icmp"))
        if family == 6 and protocol == "icmp":
            protocol = "icmpv6"
        src = s if way == "output" else a
        if way == "forward" and dice.often(0.1):
            # From where the answer would go elsewhere.
            src = "10.2.0.9" if family == 4 else "fd02::9"
        dst = r if way == "input" else dice.choice((b, b, c))
        made.append((way, probe(dice, src, dst, protocol, way)))
    return made


def probe(dice: Dice, src: str, dst: str, protocol: str, way: str) -> Probe:
    """One packet, everything about it known."""
    ported = protocol in ("tcp", "udp")
    size = 20 if ":" not in src else 40
    length = size + {"tcp": 20, "udp": 12}.get(protocol, 12)
    return Probe(
        src=src,
        dst=dst,
        protocol=protocol,
        sport=20000 if ported else None,
        dport=dice.choice(PORTS) if ported else None,
        icmp_type=None if ported else 8 if protocol == "icmp" else 128,
        icmp_code=None if ported else 0,
        iif="" if way == "output" else "eth0",
        oif=None if way == "input" else "eth1",
        length=length,
    )


FORGOTTEN: Sequence[str] = (
    "sport", "dport", "iif", "oif", "length", "mark", "ct_mark", "state", "icmp_type", "protocol",
)  # fmt: skip


def dimmed(dice: Dice, probe: Probe) -> Probe:
    """The same packet, some of it not known."""
    forgotten = dice.sample(FORGOTTEN, dice.choice((1, 1, 2, 4)))
    return replace(probe, **dict.fromkeys(forgotten))


# --- iptables -----------------------------------------------------------------------------------


def iptables_matches(dice: Dice, family: int, chain: str) -> str:
    """Up to three conditions."""
    words = []
    for make in dice.sample(_IPTABLES, dice.choice((0, 1, 1, 1, 2, 2))):
        words.append(make(dice, family, chain))
    # Options of the packet itself come before modules; two of a kind are refused.
    base = dict.fromkeys(word for word in words if not word.startswith(("-m", "-p")))
    protocols = [word for word in words if word.startswith("-p")][:1]
    modules = [word for word in words if word.startswith("-m")]
    unique = {word.removeprefix("! ").split()[0]: word for word in base}
    return " ".join(filter(None, (*unique.values(), *protocols, *modules)))


def _not(dice: Dice) -> str:
    return "! " if dice.often(0.2) else ""


def _ports(dice: Dice) -> str:
    port = dice.choice(PORTS)
    return dice.choice((str(port), f"{port - 10}:{port + 10}", "1:1024"))


def _protocol(dice: Dice, family: int, _chain: str) -> str:
    kind = dice.choice(("tcp", "udp", "icmp"))
    if kind == "icmp":
        name, option = ("icmp", "--icmp-type") if family == 4 else ("ipv6-icmp", "--icmpv6-type")
        module = "icmp" if family == 4 else "icmp6"
        plain = f"-p {name}"
        return dice.choice((plain, f"{plain} -m {module} {option} echo-request",
                            f"{plain} -m {module} ! {option} echo-reply"))  # fmt: skip
    flags = " --tcp-flags SYN,ACK SYN" if kind == "tcp" and dice.often(0.3) else ""
    several = ",".join(map(str, dice.sample(PORTS, 2)))
    return dice.choice((
        f"-p {kind}",
        f"-p {kind} -m {kind} {_not(dice)}--dport {_ports(dice)}{flags}",
        f"-p {kind} -m {kind} --sport 20000:40000",
        f"-p {kind} -m multiport {_not(dice)}--dports {several},9000:9100",
        f"-p {kind} -m multiport --ports {several}",
    ))  # fmt: skip


def _state(dice: Dice, _family: int, chain: str) -> str:
    states = dice.choice(("NEW", "ESTABLISHED", "RELATED,ESTABLISHED", "NEW,INVALID", "INVALID"))
    if dice.often(0.3):
        return f"-m state --state {states}"
    virtual = ",DNAT" if dice.often(0.2) and chain == "FORWARD" else ""
    return f"-m conntrack {_not(dice)}--ctstate {states}{virtual}"


def _device(dice: Dice, _family: int, chain: str) -> str:
    inwards = f"{_not(dice)}-i {dice.choice(('eth0', 'eth1', 'eth+', 'cni0'))}"
    outwards = f"{_not(dice)}-o {dice.choice(('eth0', 'eth1', 'eth+', 'cni+'))}"
    if chain in ("OUTPUT", "POSTROUTING"):
        return outwards
    return inwards if chain in ("INPUT", "PREROUTING") else dice.choice((inwards, outwards))


def _type(dice: Dice, family: int, _chain: str) -> str:
    if family == 6:
        return f"-m addrtype {_not(dice)}--dst-type LOCAL"
    kind = dice.choice(("LOCAL", "UNICAST", "BROADCAST", "LOCAL,MULTICAST"))
    return f"-m addrtype {_not(dice)}--{dice.choice(('src', 'dst'))}-type {kind}"


def _range(_dice: Dice, family: int, _chain: str) -> str:
    low, high = ("10.2.0.1", "10.2.0.2") if family == 4 else ("fd02::1", "fd02::2")
    return f"-m iprange --dst-range {low}-{high}"


_IPTABLES: Sequence[Callable[[Dice, int, str], str]] = (
    lambda dice, family, _chain: f"{_not(dice)}-s {dice.choice(SOURCES[family])}",
    lambda dice, family, _chain: f"{_not(dice)}-d {dice.choice(TARGETS[family])}",
    _protocol,
    _protocol,
    _state,
    _device,
    _type,
    _range,
    lambda dice, _family, _chain: f"-m mark {_not(dice)}--mark {dice.choice(MARKS)}",
    lambda dice, _family, _chain: f"-m length --length {dice.choice(('0:40', '41:1500', '32'))}",
    lambda _dice, _family, _chain: '-m comment --comment "a \\"quoted\\" -j word"',
    lambda dice, _family, _chain: f"-m connmark --mark {dice.choice(('0x1', '0x0'))}",
    lambda dice, _family, _chain: f"-m pkttype --pkt-type {dice.choice(('unicast', 'multicast'))}",
)  # fmt: skip

_REJECTS = {
    4: ("", " --reject-with icmp-host-prohibited", " --reject-with icmp-admin-prohibited",
        " --reject-with icmp-net-unreachable"),
    6: ("", " --reject-with icmp6-adm-prohibited", " --reject-with icmp6-no-route"),
}  # fmt: skip


def iptables_target(dice: Dice, family: int, table: str, chain: str, deeper: list[str]) -> str:
    """Where a rule leads."""
    if table == "mangle":
        return dice.choice((
            "MARK --set-xmark 0x1/0xffffffff", "MARK --set-xmark 0x4000/0x4000", "MARK --or-mark 2",
            "CONNMARK --set-xmark 0x1/0xffffffff", "CONNMARK --save-mark",
            "CONNMARK --restore-mark", "RETURN", "ACCEPT",
        ))  # fmt: skip
    if table == "raw":
        return dice.choice(("NOTRACK", "DROP", "ACCEPT", "RETURN", "CT --notrack"))
    if table == "nat":
        return _nat_target(dice, family, chain)
    choices = ["ACCEPT"] * 3 + ["DROP"] * 3 + ["RETURN", "LOG --log-prefix x"]
    choices += [f"REJECT{dice.choice(_REJECTS[family])}"] * (chain != "PREROUTING")
    return dice.choice(choices + deeper * 3)


def _nat_target(dice: Dice, family: int, chain: str) -> str:
    if chain == "POSTROUTING":
        to = "10.2.0.77" if family == 4 else "fd02::77"
        return dice.choice(("MASQUERADE", "MASQUERADE --random-fully", f"SNAT --to-source {to}",
                            "RETURN", "ACCEPT"))  # fmt: skip
    to = C4 if family == 4 else C6
    return dice.choice((f"DNAT --to-destination {to}", "RETURN", "ACCEPT"))


_TABLES = {
    "raw": ("PREROUTING", "OUTPUT"),
    "mangle": ("PREROUTING", "FORWARD", "INPUT"),
    "nat": ("PREROUTING", "POSTROUTING"),
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
}


def iptables_text(dice: Dice, family: int) -> str:
    """For iptables-restore: a filter table, and now and then others."""
    lines = []
    for table, share in (("raw", 0.2), ("mangle", 0.3), ("nat", 0.4), ("filter", 1)):
        if dice.often(share):
            lines += _iptables_table(dice, family, table)
    return "\n".join(lines) + "\n"


def _iptables_table(dice: Dice, family: int, table: str) -> list[str]:
    own = ["ONE", "TWO", "THREE"] if table == "filter" else []
    lines = [f"*{table}"]
    for chain in _TABLES[table]:
        policy = "DROP" if table == "filter" and dice.often(0.3) else "ACCEPT"
        lines.append(f":{chain} {policy} [0:0]")
    lines += [f":{chain} - [0:0]" for chain in own]
    for chain in (*_TABLES[table], *own):
        deeper = own[own.index(chain) + 1 :] if chain in own else own
        for _ in range(dice.choice((0, 1, 2, 3, 4))):
            matches = iptables_matches(dice, family, chain if chain not in own else "")
            if table in ("raw", "mangle") and chain == "PREROUTING" and dice.often(0.2):
                matches += " -m rpfilter" + " --invert" * dice.often(0.5)
            target = iptables_target(dice, family, table, chain, deeper)
            if target.startswith("REJECT") and "-p tcp" in matches and dice.often(0.5):
                target = "REJECT --reject-with tcp-reset"
            verb = "-g" if target in own and dice.often(0.2) else "-j"
            lines.append(" ".join(filter(None, (f"-A {chain}", matches, f"{verb} {target}"))))
    return [*lines, "COMMIT"]


def iptables(seed: int, backend: str) -> Case:
    """Both families, one backend."""
    dice = Dice(seed)
    return Case(restores=(
        (f"iptables-{backend}-restore", iptables_text(dice, 4)),
        (f"ip6tables-{backend}-restore", iptables_text(dice, 6)),
    ))  # fmt: skip
