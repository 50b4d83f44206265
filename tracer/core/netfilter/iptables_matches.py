"""iptables' matches as steps. What is not here, or not understood, is unclear."""

from collections.abc import Callable, Iterator
from functools import partial

from tracer.core.netfilter.iptables_whole import WHOLE, Setting
from tracer.core.netfilter.iptables_words import Module, Option, Words
from tracer.core.netfilter.model import Step
from tracer.core.netfilter.names import (
    ICMP_TYPES,
    ICMPV6_TYPES,
    PACKET_TYPES,
    STATES,
    TCP_FLAGS,
    protocol_number,
)
from tracer.core.netfilter.packet import Packet
from tracer.core.netfilter.readers import packet_type
from tracer.core.netfilter.steps import (
    Span,
    address,
    always,
    any_of,
    checked,
    connected,
    is_value,
    masked,
    named,
    negation,
    network,
    never,
    number,
    unclear,
    within,
)

Builder = Callable[[Option, Setting], Step]

_ANY_ICMP = ("any", "255", "255/255")
_DEVICES = {"-i": "iif", "-o": "oif"}


def words_steps(words: Words, setting: Setting) -> Iterator[tuple[Step, str]]:
    """Every match of a rule, and the words that it stands for."""
    for option in words.base:
        text = option.text
        if text not in setting.known:
            setting.known[text] = [_understood(partial(_base, option, setting))]
        yield setting.known[text][0], text
    for module in words.modules:
        for step in module_steps(module, setting):
            yield step, module.text


def _base(option: Option, setting: Setting) -> Step:
    name, value = option.name, option.values[0] if option.values else ""
    if name in ("-s", "-d"):
        wanted, mask = network(value, setting.family)
        field = "src" if name == "-s" else "dst"
        return masked(field, wanted, mask, negated=option.negated)
    if name in _DEVICES:
        return named(_DEVICES[name], value, "+", negated=option.negated)
    if name == "-p":
        protocol = 0 if value == "all" else protocol_number(value)
        return always if not protocol else is_value("protocol", protocol, negated=option.negated)
    if name == "-f":
        # A probe is a whole packet.
        return always if option.negated else never
    return always if name in ("-4", "-6") else unclear


def module_steps(module: Module, setting: Setting) -> list[Step]:
    """Every option of a module; several have to hold together."""
    if module.name in _FREE:
        return []
    text = module.text
    steps = setting.known.get(text)
    if steps is None:
        steps = setting.known[text] = _module(module, setting)
    return steps


def _module(module: Module, setting: Setting) -> list[Step]:
    whole = WHOLE.get(module.name)
    if whole is not None:
        return [_understood(partial(whole, module.options, setting))]
    builders = _BUILDERS.get(module.name)
    if builders is None:
        return [unclear]
    # `-m tcp` without options asks for nothing more than `-p tcp` did.
    return [_option_step(builders.get(option.name), option, setting) for option in module.options]


def _option_step(builder: Builder | None, option: Option, setting: Setting) -> Step:
    return unclear if builder is None else _understood(partial(builder, option, setting))


def _understood(build: Callable[[], Step]) -> Step:
    try:
        return build()
    except (ValueError, LookupError):
        return unclear


def spans(text: str, separator: str = ":", top: int = 0xFFFF) -> list[Span]:
    """`53`, `1000:2000`, `:1023`, `80,443,8000:9000`."""
    found = []
    for part in text.split(","):
        low, ranged, high = part.partition(separator)
        first = int(low or 0)
        found.append((first, int(high or top) if ranged else first))
    return found


def _port(field: str) -> Builder:
    return lambda option, _setting: within(field, spans(option.values[0]), negated=option.negated)


def _either_port(option: Option, _setting: Setting) -> Step:
    listed = spans(option.values[0])
    return any_of([within("sport", listed), within("dport", listed)], negated=option.negated)


def _flags(option: Option, _setting: Setting) -> Step:
    mask, wanted = (_flag_bits(word) for word in option.values)
    return masked("flags", wanted, mask, negated=option.negated)


def _flag_bits(words: str) -> int:
    if words in ("ALL", "NONE"):
        return 63 if words == "ALL" else 0
    return sum(TCP_FLAGS[word.lower()] for word in words.split(","))


def _syn(option: Option, _setting: Setting) -> Step:
    return masked("flags", TCP_FLAGS["syn"], 0x17, negated=option.negated)


def _icmp(names: dict[str, int]) -> Builder:
    def build(option: Option, _setting: Setting) -> Step:
        word = option.values[0]
        if word in _ANY_ICMP:
            return negation(always) if option.negated else always
        kind, _, code = word.partition("/")
        wanted = names[kind] if kind in names else int(kind)
        steps = [is_value("icmp_type", wanted)]
        if code:
            steps.append(is_value("icmp_code", int(code)))
        every = any_of([negation(step) for step in steps])
        return every if option.negated else negation(every)

    return build


def _mark(option: Option, _setting: Setting) -> Step:
    value, mask = value_and_mask(option.values[0])
    return masked("mark", value, mask, negated=option.negated)


def _ct_mark(option: Option, _setting: Setting) -> Step:
    value, mask = value_and_mask(option.values[0])
    return connected(masked("ct_mark", value, mask, negated=option.negated))


def value_and_mask(text: str) -> tuple[int, int]:
    """`0x4000/0x4000`, `5`."""
    value, slash, mask = text.partition("/")
    return number(value), number(mask) if slash else 0xFFFFFFFF


def _state(option: Option, _setting: Setting) -> Step:
    steps: list[Step] = []
    bits = 0
    for word in option.values[0].lower().split(","):
        if word in ("dnat", "snat"):
            steps.append(connected(_translated(word)))
        else:
            bits |= STATES[word]
    if bits:
        steps.append(checked(lambda packet: packet.state, lambda seen: bool(bits & int(seen))))
    return any_of(steps, negated=option.negated)


def _translated(word: str) -> Callable[[Packet], bool | None]:
    return lambda packet: packet.dnat if word == "dnat" else packet.snat


def _ct_direction(option: Option, _setting: Setting) -> Step:
    reply = option.values[0] == "REPLY"
    return connected(lambda packet: None if packet.reply is None else packet.reply is reply)


def _ct_protocol(option: Option, _setting: Setting) -> Step:
    return connected(
        is_value("protocol", protocol_number(option.values[0]), negated=option.negated)
    )


def _packet_type(option: Option, setting: Setting) -> Step:
    return checked(
        packet_type(setting.addresses),
        PACKET_TYPES[option.values[0]].__eq__,
        negated=option.negated,
    )


def _range(field: str) -> Builder:
    def build(option: Option, setting: Setting) -> Step:
        low, _, high = option.values[0].partition("-")
        first = address(low, setting.family)
        last = address(high, setting.family) if high else first
        return within(field, [(first, last)], negated=option.negated)

    return build


def _is_bridged(option: Option, _setting: Setting) -> Step:
    return lambda packet: None if packet.bridged is None else packet.bridged is not option.negated


_FREE = frozenset({"comment", "nfacct"})
"""They hold for every packet."""
_PORTS: dict[str, Builder] = {
    "--sport": _port("sport"), "--dport": _port("dport"), "--source-port": _port("sport"),
    "--destination-port": _port("dport"),
}  # fmt: skip
_BUILDERS: dict[str, dict[str, Builder]] = {
    "tcp": {**_PORTS, "--tcp-flags": _flags, "--syn": _syn},
    "udp": _PORTS,
    "udplite": _PORTS,
    "sctp": _PORTS,
    "dccp": _PORTS,
    "multiport": {
        "--sports": _port("sport"), "--dports": _port("dport"), "--ports": _either_port,
    },
    "icmp": {"--icmp-type": _icmp(ICMP_TYPES)},
    "icmp6": {"--icmpv6-type": _icmp(ICMPV6_TYPES)},
    "mark": {"--mark": _mark},
    "connmark": {"--mark": _ct_mark},
    "state": {"--state": _state},
    "conntrack": {"--ctstate": _state, "--ctdir": _ct_direction, "--ctproto": _ct_protocol},
    "iprange": {"--src-range": _range("src"), "--dst-range": _range("dst")},
    "length": {"--length": _port("length")},
    "pkttype": {"--pkt-type": _packet_type},
    "physdev": {"--physdev-is-bridged": _is_bridged},
}  # fmt: skip
