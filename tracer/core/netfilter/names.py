"""Numbers behind the names that iptables-save and nft print (IANA's, and those of uapi headers)."""

ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58

PROTOCOLS = {
    "hopopt": 0, "ip": 0, "icmp": ICMP, "igmp": 2, "ipencap": 4, "tcp": TCP, "egp": 8, "igp": 9,
    "udp": UDP, "dccp": 33, "ipv6": 41, "ipv6-route": 43, "ipv6-frag": 44, "rsvp": 46, "gre": 47,
    "esp": 50, "ipsec-esp": 50, "ah": 51, "ipsec-ah": 51, "ipv6-icmp": ICMPV6, "icmpv6": ICMPV6,
    "icmp6": ICMPV6, "ipv6-nonxt": 59, "ipv6-opts": 60, "eigrp": 88, "ospf": 89, "pim": 103,
    "ipcomp": 108, "comp": 108, "vrrp": 112, "l2tp": 115, "sctp": 132, "mh": 135,
    "mobility-header": 135, "udplite": 136,
}  # fmt: skip
"""/etc/protocols, as far as firewalls use it."""

WITH_PORTS = frozenset({TCP, UDP, 33, 132, 136})

STATES = {"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64}
"""Bits of NF_CT_STATE_BIT and its two exceptions (nf_conntrack_common.h)."""
INVALID, NEW, RELATED, UNTRACKED = STATES["invalid"], STATES["new"], STATES["related"], 64

STATUS = {
    "expected": 1, "seen-reply": 2, "assured": 4, "confirmed": 8, "snat": 16, "dnat": 32,
    "dying": 512,
}  # fmt: skip

TCP_FLAGS = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ecn": 64, "cwr": 128}
TCP_LETTERS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, ".": 16, "U": 32, "E": 64, "W": 128}

ICMP_TYPES = {
    "echo-reply": 0, "destination-unreachable": 3, "source-quench": 4, "redirect": 5,
    "echo-request": 8, "router-advertisement": 9, "router-solicitation": 10, "time-exceeded": 11,
    "parameter-problem": 12, "timestamp-request": 13, "timestamp-reply": 14, "info-request": 15,
    "info-reply": 16, "address-mask-request": 17, "address-mask-reply": 18,
}  # fmt: skip
ICMPV6_TYPES = {
    "destination-unreachable": 1, "packet-too-big": 2, "time-exceeded": 3, "parameter-problem": 4,
    "echo-request": 128, "echo-reply": 129, "mld-listener-query": 130, "mld-listener-report": 131,
    "mld-listener-done": 132, "mld-listener-reduction": 132, "nd-router-solicit": 133,
    "nd-router-advert": 134, "nd-neighbor-solicit": 135, "nd-neighbor-advert": 136,
    "nd-redirect": 137, "router-renumbering": 138, "ind-neighbor-solicit": 141,
    "ind-neighbor-advert": 142, "mld2-listener-report": 143,
}  # fmt: skip
ICMP_CODES = {
    "net-unreachable": 0, "host-unreachable": 1, "prot-unreachable": 2, "port-unreachable": 3,
    "frag-needed": 4, "net-prohibited": 9, "host-prohibited": 10, "admin-prohibited": 13,
}  # fmt: skip
ICMPV6_CODES = {
    "no-route": 0, "admin-prohibited": 1, "addr-unreachable": 3, "port-unreachable": 4,
    "policy-fail": 5, "reject-route": 6,
}  # fmt: skip

ETHERTYPES = {"ip": 0x0800, "arp": 0x0806, "ip6": 0x86DD, "vlan": 0x8100, "8021q": 0x8100}
PACKET_TYPES = {"host": 0, "unicast": 0, "broadcast": 1, "multicast": 2, "other": 3}
FAMILIES = {"ipv4": 4, "ipv6": 6}

_ICMPX = {
    4: {"no-route": "net-unreachable", "host-unreachable": "host-unreachable"},
    6: {"no-route": "no-route", "host-unreachable": "addr-unreachable"},
}
_IPTABLES_REJECT = {
    "icmp-proto-unreachable": "icmp prot-unreachable",
    "icmp6-adm-prohibited": "icmpv6 admin-prohibited",
}


def protocol_number(word: str | int) -> int:
    """Of a protocol by name or number; ValueError where nobody here knows the name."""
    if isinstance(word, int):
        return word
    known = PROTOCOLS.get(word.lower())
    return int(word) if known is None else known


def rejection(kind: str, code: str, family: int) -> str:
    """What a sender is told, in nft's words: `icmp host-prohibited`, `tcp reset`."""
    if kind == "icmpx":
        kind = "icmp" if family == 4 else "icmpv6"
        code = _ICMPX[family].get(code, code)
    return f"{kind} {code}" if code else kind


def rejection_of_iptables(word: str) -> str:
    """The same of `--reject-with`: `icmp-host-prohibited`, `icmp6-no-route`, `tcp-reset`."""
    if word in _IPTABLES_REJECT:
        return _IPTABLES_REJECT[word]
    if word == "tcp-reset":
        return "tcp reset"
    kind, _, code = word.partition("-")
    return f"{'icmpv6' if kind == 'icmp6' else kind} {code}"
