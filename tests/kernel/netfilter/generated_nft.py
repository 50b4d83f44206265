"""The same in nft's language: sets, intervals, concatenations, verdict maps, every family."""

from collections.abc import Callable, Sequence

from tests.kernel.netfilter.generated import MARKS, PORTS, Case, Dice, iptables_text
from tests.kernel.netfilter.router import A4, A6, B4, B6, C4, C6

_HOSTS = {4: (A4, B4, C4, "10.9.9.9", "10.1.0.1"), 6: (A6, B6, C6, "fd09::9", "fd01::1")}
_NETS = {4: ("10.1.0.0/24", "10.2.0.0/24", "10.0.0.0/8", "10.9.0.0-10.9.0.77", "10.2.0.2-10.2.0.3"),
         6: ("fd01::/64", "fd02::/64", "fd00::/8", "fd02::2-fd02::3")}  # fmt: skip
_HOOKS = ("prerouting", "input", "forward", "output", "postrouting")
_TYPES = {4: "ipv4_addr", 6: "ipv6_addr"}


def _family(dice: Dice, table: str) -> int:
    return {"ip": 4, "ip6": 6}.get(table) or dice.choice((4, 6))


def _ip(family: int) -> str:
    return "ip" if family == 4 else "ip6"


def _not(dice: Dice) -> str:
    return "!= " if dice.often(0.2) else ""


def _address(dice: Dice, table: str) -> str:
    family = _family(dice, table)
    side = dice.choice(("saddr", "daddr"))
    pool = (*_HOSTS[family], *_NETS[family])
    several = f"{{ {', '.join(dice.sample(_HOSTS[family], 3))} }}"
    named = f"@{'hosts' if dice.often(0.5) else 'nets'}{family}"
    return f"{_ip(family)} {side} {_not(dice)}{dice.choice((dice.choice(pool), several, named))}"


def _port(dice: Dice, _table: str) -> str:
    side = dice.choice(("dport", "dport", "sport"))
    port = dice.choice(PORTS)
    ports = dice.choice((str(port), f"{port - 9}-{port + 9}", f"{{ {port}, 1000-40000 }}",
                         "@ports"))  # fmt: skip
    if dice.often(0.2):
        return f"meta l4proto {{ tcp, udp }} th {side} {_not(dice)}{ports}"
    return f"{dice.choice(('tcp', 'udp'))} {side} {_not(dice)}{ports}"


def _pair(dice: Dice, table: str) -> str:
    family = _family(dice, table)
    return f"{_ip(family)} daddr . {dice.choice(('tcp', 'udp'))} dport @pairs{family}"


def _state(dice: Dice, _table: str) -> str:
    return dice.choice((
        "ct state established,related", "ct state { established, related }", "ct state new",
        "ct state invalid", "ct state != established", "ct state new,untracked", "ct status dnat",
        "ct direction original", "ct mark 0x1", "ct state untracked", "ct status & dnat == 0",
        "ct state != { new, invalid }",
    ))  # fmt: skip


def _device(dice: Dice, _table: str) -> str:
    side = dice.choice(("iifname", "oifname"))
    return dice.choice((
        f'{side} {_not(dice)}"eth{dice.choice("01")}"', f'{side} "eth*"',
        f'{side} {{ "eth1", "cni*" }}', f'{side} {_not(dice)}@names',
    ))  # fmt: skip


def _other(dice: Dice, table: str) -> str:
    family = _family(dice, table)
    echo = "icmp type echo-request" if family == 4 else "icmpv6 type echo-request"
    proto = "icmp" if family == 4 else "ipv6-icmp"
    mark = dice.choice(MARKS).partition("/")
    marked = f"meta mark & {mark[2]} == {mark[0]}" if mark[2] else f"meta mark {mark[0]}"
    return dice.choice((
        echo, f"meta l4proto {_not(dice)}{proto}", "meta l4proto { tcp, udp }", marked,
        f"meta mark {_not(dice)}{{ 0x1, 0x2-0x10 }}", "tcp flags syn", "meta nfproto ipv4",
        "tcp flags & (syn|ack) == syn", "tcp flags != syn", "meta length > 41", "meta protocol ip",
        f"fib daddr type {'local' if family == 6 else dice.choice(('local', 'unicast'))}",
        "meta pkttype host", f"{_ip(family)} {'protocol udp' if family == 4 else 'nexthdr udp'}",
        "ip frag-off & 0x1fff != 0" if family == 4 else "meta mark >= 1", "ip version 4",
        f"fib saddr . iif oif {dice.choice(('missing', 'exists'))}",
        "meta l4proto . th dport { tcp . 53, udp . 53, udp . 8472 }",
    ))  # fmt: skip


_MATCHES: Sequence[Callable[[Dice, str], str]] = (
    _address, _address, _port, _port, _pair, _state, _device, _other, _other,
)  # fmt: skip


def _matches(dice: Dice, table: str) -> str:
    """Up to two conditions. Some contradict each other: nft refuses the line, it is left out."""
    count = dice.choice((0, 1, 1, 2, 2))
    return " ".join(make(dice, table) for make in dice.sample(_MATCHES, count))


def _vmap(dice: Dice, table: str, deeper: list[str]) -> str:
    verdicts = ["accept", "drop", "continue", "return", *(f"jump {chain}" for chain in deeper)]
    chosen = [dice.choice(verdicts) for _ in range(3)]
    family = _family(dice, table)
    return dice.choice((
        f"tcp dport vmap {{ 53 : {chosen[0]}, 80-443 : {chosen[1]} }}",
        f"udp dport vmap {{ 53 : {chosen[0]}, 8472 : {chosen[1]}, * : {chosen[2]} }}",
        f'iifname vmap {{ "eth0" : {chosen[0]}, "cni*" : {chosen[1]} }}',
        f"ct state vmap {{ new : {chosen[0]}, established : {chosen[1]} }}",
        f"{_ip(family)} daddr vmap {{ {_HOSTS[family][1]} : {chosen[0]} }}",
        f"{_ip(family)} daddr . meta l4proto vmap @verdicts{family}",
    ))  # fmt: skip


def _verdict(dice: Dice, table: str, hook: str, deeper: list[str]) -> str:
    if dice.often(0.12):
        return _effect(dice, table)
    plain = ["accept"] * 3 + ["drop"] * 3 + ["return", "counter", "continue"]
    plain += [f"{dice.choice(('jump', 'jump', 'goto'))} {chain}" for chain in deeper] * 2
    if hook in ("input", "forward", "output"):
        plain += _rejects(table)
    return dice.choice(plain)


def _rejects(table: str) -> list[str]:
    if table == "inet":
        return ["reject", "reject with icmpx type admin-prohibited",
                "reject with icmp type host-prohibited", "reject with tcp reset"]  # fmt: skip
    if table == "ip":
        return ["reject", "reject with icmp type net-prohibited"]
    return ["reject", "reject with icmpv6 type no-route"]


def _effect(dice: Dice, table: str) -> str:
    return dice.choice((
        "meta mark set 0x1", "meta mark set meta mark or 0x4000", "ct mark set 0x1",
        "meta mark set ct mark", 'log prefix "x"', "counter",
        f"meta mark set 0x2 {_port(dice, table)} drop",
    ))  # fmt: skip


def _rule(dice: Dice, table: str, hook: str, deeper: list[str]) -> str:
    if dice.often(0.12):
        return _vmap(dice, table, deeper)
    return f"{_matches(dice, table)} {_verdict(dice, table, hook, deeper)}".strip()


def _sets(dice: Dice, table: str) -> list[str]:
    lines = [
        f"set ports {{ type inet_service; flags interval;"
        f" elements = {{ {dice.choice(PORTS)}, 20000-{dice.choice((30000, 50000))} }} }}",
        'set names { type ifname; elements = { "eth1", "lo" } }',
    ]
    for family in (4, 6):
        if {4: "ip6", 6: "ip"}[family] == table:
            continue
        hosts = dice.sample(_HOSTS[family], 2)
        nets = dice.choice(_NETS[family])
        service = dice.choice(PORTS)
        lines += [
            f"set hosts{family} {{ type {_TYPES[family]}; elements = {{ {', '.join(hosts)} }} }}",
            f"set nets{family} {{ type {_TYPES[family]}; flags interval;"
            f" elements = {{ {nets} }} }}",
            f"set pairs{family} {{ type {_TYPES[family]} . inet_service; flags interval;"
            f" elements = {{ {nets} . {service}-{service + 9}, {hosts[0]} . 53 }} }}",
            f"map verdicts{family} {{ type {_TYPES[family]} . inet_proto : verdict;"
            f" elements = {{ {_HOSTS[family][1]} . udp : {dice.choice(('accept', 'drop'))},"
            f" {_HOSTS[family][2]} . tcp : {dice.choice(('goto one', 'drop'))} }} }}",
        ]
    return lines


def table_text(dice: Dice, table: str, name: str) -> str:
    """One table with a few base chains and two of its own."""
    lines = [f"table {table} {name} {{", "chain two {"]
    lines += [_rule(dice, table, "", []) for _ in range(dice.choice((0, 1, 2)))]
    lines += ["}", "chain one {"]
    lines += [_rule(dice, table, "", ["two"]) for _ in range(dice.choice((1, 2, 3)))]
    lines += ["}", *_sets(dice, table)]
    for number in range(dice.choice((1, 2, 3))):
        hook = dice.choice((*_HOOKS, "forward", "forward", "forward"))
        priority = dice.choice((-310, -150, -10, 0, 0, 5, 10, 110))
        policy = "drop" if dice.often(0.25) else "accept"
        lines += [f"chain base{number} {{",
                  f"type filter hook {hook} priority {priority}; policy {policy};"]  # fmt: skip
        if priority == -310 and hook in ("prerouting", "output") and dice.often(0.7):
            lines.append(f"{_matches(dice, table)} notrack")
        lines += [
            _rule(dice, table, hook, ["one", "two"]) for _ in range(dice.choice((1, 2, 3, 4)))
        ]
        lines.append("}")
    if dice.often(0.4):
        lines += _nat(dice, table)
    return "\n".join([*lines, "}"]) + "\n"


def _nat(dice: Dice, table: str) -> list[str]:
    family = _family(dice, table)
    inside = f" {_ip(family)}" if table == "inet" else ""
    there = C4 if family == 4 else C6
    own = "10.2.0.78" if family == 4 else "fd02::78"
    lines = ["chain nat_to {", f"type nat hook prerouting priority {dice.choice((-100, -90))};",
             f"{_address(dice, table)} return" if dice.often(0.3) else "counter",
             f"{_port(dice, table)} dnat{inside} to {there}", "}"]  # fmt: skip
    source = dice.choice((f"snat{inside} to {own}", "masquerade", "masquerade random", "accept"))
    return [*lines, "chain nat_from {",
            f"type nat hook postrouting priority {dice.choice((100, 90))};",
            f"{_matches(dice, table)} {source}".strip(), "}"]  # fmt: skip


def nft(seed: int) -> Case:
    """One or two tables of any family."""
    dice = Dice(seed)
    tables = [dice.choice(("inet", "inet", "ip", "ip6")) for _ in range(dice.choice((1, 1, 2)))]
    return Case(nft="".join(table_text(dice, table, f"t{at}") for at, table in enumerate(tables)))


def mixed(seed: int) -> Case:
    """nft's own tables beside iptables', in one backend or both."""
    dice = Dice(seed)
    restores = [("iptables-nft-restore", iptables_text(dice, 4))]
    if dice.often(0.7):
        restores.append(("iptables-legacy-restore", iptables_text(dice, 4)))
    return Case(nft=table_text(dice, dice.choice(("inet", "ip")), "t0"), restores=tuple(restores))
