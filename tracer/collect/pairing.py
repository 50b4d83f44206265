"""Which packets a trace is about, and how the C of bpf/match.h says it."""

import ipaddress
import struct
import sys
from collections.abc import Iterable

from tracer.model.packet import Ip
from tracer.model.record import Record


class Filter(Record, frozen=True, kw_only=True):
    """The packets to record. Everything else costs a few nanoseconds and is forgotten."""

    pair: tuple[Ip, Ip]
    """Inner addresses, followed both ways; of one family."""
    vxlan_ports: tuple[int, ...]
    """UDP destination ports that carry VXLAN."""
    neighbours: tuple[Ip, ...] = ()
    """ARP and neighbour solicitation for these is recorded too (for the pair's it always is)."""
    datagram_port: int = 0
    """UDP source port of our own test datagrams; 0: none."""
    netns: tuple[int, ...] = ()
    """Inodes of the network namespaces whose drops are recorded."""


def flags(wanted: Filter) -> list[str]:
    """The filter as -D flags. Addresses and ports as the program loads them from memory.

    Raises ValueError when a text is no address or the pair is of two families.
    """
    pair = [ipaddress.ip_address(ip) for ip in wanted.pair]
    if pair[0].version != pair[1].version:
        raise ValueError(f"{wanted.pair[0]} and {wanted.pair[1]} are of two address families")
    family = pair[0].version
    watched = sorted({*pair, *map(ipaddress.ip_address, wanted.neighbours)}, key=str)
    v4 = [_words(ip.packed)[0] for ip in watched if ip.version == 4]
    v6 = [_words(ip.packed) for ip in watched if ip.version == 6]
    same = _same4 if family == 4 else _same6
    one, other = (_words(ip.packed) for ip in pair)
    result = [
        f"-DPAIR{family}(s,d)=(({same('s', one)}&&{same('d', other)})"
        f"||({same('s', other)}&&{same('d', one)}))",
        f"-DVXLAN_PORT(p)={_any(f'(p)=={_port(port):#x}' for port in sorted(wanted.vxlan_ports))}",
        f"-DOWN_DATAGRAM(p)={_any(f'(p)=={_port(p):#x}' for p in [wanted.datagram_port] if p)}",
        f"-DNETNS(n)={_any(f'(n)=={inode}u' for inode in sorted(wanted.netns))}",
    ]
    if family == 4:
        result.append(f"-DFROM_PAIR4(s)=({same('s', one)}||{same('s', other)})")
    if v4:
        result.append(f"-DWATCHED4(a)={_any(f'(a)=={word:#x}u' for word in v4)}")
    if v6:
        result.append(f"-DWATCHED6(p)={_any(_same6('p', words) for words in v6)}")
    return result


def _same4(name: str, words: tuple[int, ...]) -> str:
    return f"({name})=={words[0]:#x}u"


def _same6(name: str, words: tuple[int, ...]) -> str:
    # the last word first: of addresses in one cluster, it is the one that differs
    return "(" + "&&".join(f"WORD6({name},{i})=={words[i]:#x}u" for i in (3, 2, 1, 0)) + ")"


def _any(terms: Iterable[str]) -> str:
    return "(" + ("||".join(f"({term})" for term in terms) or "0") + ")"


def _words(packed: bytes) -> tuple[int, ...]:
    return struct.unpack(f"={len(packed) // 4}I", packed)


def _port(port: int) -> int:
    return int.from_bytes(port.to_bytes(2, "big"), sys.byteorder)
