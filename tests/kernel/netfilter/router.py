r"""A router between two hosts that say nothing: what it does with a frame is what was seen.

a eth0 ------ eth0 router eth1 ------ eth0 b
10.1.0.2       10.1.0.1  10.2.0.1      10.2.0.2, .3

The hosts have no addresses: they answer nothing, and packet sockets see all that comes. Every
neighbour is static, so that no ruleset can stop the look-up.
"""

import contextlib
import os
import re
import socket
import struct
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import NamedTuple

import dpkt
from msgspec.structs import replace

from tracer.collect import firewall
from tracer.collect.netns import enter, inside, opened
from tracer.collect.snapshot import snapshot
from tracer.core.netfilter.probe import Probe
from tracer.model.state import FirewallDump, NodeState, NotRead

A4, B4, C4, R4, S4 = "10.1.0.2", "10.2.0.2", "10.2.0.3", "10.1.0.1", "10.2.0.1"
OUTSIDE = "203.0.113.9"
"""A host of the world, which is reached by host b."""
A6, B6, C6, R6, S6 = "fd01::2", "fd02::2", "fd02::3", "fd01::1", "fd02::1"
MAC = {"a": "02:00:00:00:00:0a", "b": "02:00:00:00:00:0b"}
MAC |= {"eth0": "02:00:00:00:01:01", "eth1": "02:00:00:00:01:02"}

KEEP = """
table inet keep {
  chain prerouting { type filter hook prerouting priority -190; ct state new counter; }
}
"""
"""So that connections stay known while rulesets come and go."""
_LEGACY = ("iptables-legacy-restore", "ip6tables-legacy-restore")
FLUSHED = "".join(
    f"*{table}\n" + "".join(f":{chain} ACCEPT [0:0]\n" for chain in chains) + "COMMIT\n"
    for table, chains in (
        ("raw", ("PREROUTING", "OUTPUT")),
        ("mangle", ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")),
        ("nat", ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING")),
        ("filter", ("INPUT", "FORWARD", "OUTPUT")),
    )
)
_ERRORS = {4: {3: "icmp"}, 6: {1: "icmpv6"}}
_CODES = {
    "icmp": {0: "net-unreachable", 1: "host-unreachable", 2: "prot-unreachable",
             3: "port-unreachable", 9: "net-prohibited", 10: "host-prohibited",
             13: "admin-prohibited"},
    "icmpv6": {0: "no-route", 1: "admin-prohibited", 3: "addr-unreachable",
               4: "port-unreachable"},
}  # fmt: skip


class Seen(NamedTuple):
    """What became of one packet."""

    arrived: bool
    src: str | None = None
    dst: str | None = None
    told: str = ""
    """What its sender heard: `icmp host-prohibited`, `tcp reset`."""


class Router:
    """The three namespaces; raw sockets in each stay open as long as it."""

    def __init__(self) -> None:
        self._names = {name: f"ft{os.getpid()}-nf-{name}" for name in "arb"}
        self._stack = contextlib.ExitStack()
        self._sequence = 0
        self._port = 20000
        self._restored: set[str] = set()

    def up(self) -> None:
        """Build it."""
        for name in self._names.values():
            run("ip", "netns", "add", name)
        a, r, b = (self._names[name] for name in "arb")
        for near, host, far in (("eth0", a, "a"), ("eth1", b, "b")):
            run(
                *f"ip -n {r} link add {near} address {MAC[near]} type veth peer name eth0"
                f" address {MAC[far]} netns {host}".split()
            )
        run("ip", "-n", r, "-batch", "-", text=_ROUTER)
        for host in (a, b):
            run("ip", "-n", host, "-batch", "-", text="link set lo up\nlink set eth0 up\n")
        self._settings(r)
        self._open_sockets()
        self.nft("")
        self._base = inside(self._fd["r"], lambda: snapshot("r", pods=(), firewall=False))

    def down(self) -> None:
        """Remove it."""
        self._stack.close()
        for name in self._names.values():
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)

    def _settings(self, router: str) -> None:
        wanted = (
            "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1",
            "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0",
            "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.eth0.rp_filter=0",
            "net.netfilter.nf_conntrack_udp_timeout=300",
            "net.netfilter.nf_conntrack_udp_timeout_stream=300",
        )  # fmt: skip
        run("ip", "netns", "exec", router, "sysctl", "-qw", *wanted)

    def _open_sockets(self) -> None:
        self._fd = {
            key: self._stack.enter_context(opened(f"/run/netns/{name}"))
            for key, name in self._names.items()
        }
        self._hosts = {key: inside(self._fd[key], _packets) for key in "ab"}
        self._local = inside(self._fd["r"], _local)
        self._senders = {
            4: inside(self._fd["r"], lambda: _raw(socket.AF_INET)),
            6: inside(self._fd["r"], lambda: _raw(socket.AF_INET6)),
        }
        self._loop = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._loop.bind(("127.0.0.1", 0))
        every = (*self._hosts.values(), *self._local.values(), *self._senders.values(), self._loop)
        for each in every:
            self._stack.callback(each.close)

        def into() -> None:
            enter(self._fd["r"])

        self._executor = self._stack.enter_context(ThreadPoolExecutor(3, initializer=into))

    def run(self, *words: str, text: str = "") -> None:
        """A command inside of the router."""
        run("ip", "netns", "exec", self._names["r"], *words, text=text)

    def nft(self, text: str, kept: str = KEEP) -> None:
        """A ruleset in nft's language, in place of what nft had."""
        self.run("nft", "-f", "-", text=f"flush ruleset\n{kept}{text}")

    def nft_as_far_as_taken(self, text: str) -> str:
        """The same without the lines that nft refuses; what was installed."""
        lines = text.splitlines()
        for _ in range(60):
            try:
                self.nft("\n".join(lines) + "\n")
            except AssertionError as error:
                refused = re.search(r"/dev/stdin:(\d+):", str(error))
                if refused is None:
                    raise
                line = lines.pop(int(refused[1]) - 2 - KEEP.count("\n"))
                if line.startswith(("chain", "type", "}", "table")):
                    raise
            else:
                return "\n".join(lines)
        raise AssertionError(f"nothing of it is taken:\n{text}")

    def restore(self, texts: Sequence[tuple[str, str]]) -> None:
        """Rulesets for iptables-restore tools; what they do not name has no rules afterwards."""
        given = dict(texts)
        for tool in _LEGACY:
            if tool in self._restored and tool not in given:
                self.run(tool, text=FLUSHED)
        for tool, text in texts:
            flushed = FLUSHED if tool in _LEGACY else ""
            self.run(tool, *(() if flushed else ("-n",)), text=flushed + text)
        self._restored = set(given)

    def clear(self) -> None:
        """No rules in any backend."""
        self.nft("")
        self.restore(())

    def state(self) -> NodeState:
        """The router's state, its firewall dumped as an agent dumps it."""
        results = [future.result() for future in firewall.start(self._executor)]
        return replace(
            self._base,
            firewall=tuple(each for each in results if isinstance(each, FirewallDump)),
            not_read=tuple(each for each in results if isinstance(each, NotRead)),
        )

    def through(self, probe: Probe) -> Seen:
        """Send one packet from host a by the router, or to it."""
        self._forget()
        self._hosts["a"].send(frame(probe, MAC["a"], MAC["eth0"], self._next()))
        return self._outcome(probe)

    def out(self, probe: Probe) -> Seen:
        """Let the router itself send one to host b."""
        self._forget()
        whole = packet(probe, self._next())
        family = socket.AF_INET6 if probe.family == 6 else socket.AF_INET
        with contextlib.suppress(PermissionError):
            # A drop on the way out is the sender's error.
            self._senders[probe.family].sendto(
                whole, (str(probe.dst), 0, 0, 0) if family == socket.AF_INET6 else (probe.dst, 0)
            )
        return self._outcome(probe)

    def unheard_of(self, probe: Probe) -> Probe:
        """The same of a connection that has not been yet; of an echo request that is its mark."""
        if probe.sport is None:
            return probe
        self._port += 1
        return replace(probe, sport=self._port)

    def converse(self, probe: Probe) -> None:
        """Make a connection of it: a packet there, and one back."""
        back = Probe(
            src=probe.dst, dst=probe.src, protocol=probe.protocol,
            sport=probe.dport, dport=probe.sport,
        )  # fmt: skip
        self._hosts["a"].send(frame(probe, MAC["a"], MAC["eth0"], 1))
        self._settle()
        self._hosts["b"].send(frame(back, MAC["b"], MAC["eth1"], 1))
        self._settle()

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence

    def _settle(self) -> None:
        """Until every packet on its way has gone to its end.

        A veth hands packets to the processor's backlog, and so does the loopback device: what was
        put there before comes out before. One round for each device on the way and back.
        """
        for _ in range(5):
            self._loop.sendto(b"x", self._loop.getsockname())
            self._loop.recv(16)

    def _forget(self) -> None:
        for each in (*self._hosts.values(), *self._local.values()):
            drained(each)

    def _outcome(self, probe: Probe) -> Seen:
        self._settle()
        seen = Seen(False)
        mark = self._sequence
        for data in drained(self._hosts["b"]):
            found = _found(data[14:], mark)
            if found is not None:
                seen = Seen(True, *found)
        for key, socket_ in self._local.items():
            for data in drained(socket_):
                if _is_local(key, data, mark):
                    seen = Seen(True, probe.src, probe.dst)
        told = [word for data in drained(self._hosts["a"]) if (word := _told(data[14:]))]
        return seen._replace(told=told[0] if told else "")


_ROUTER = f"""
link set lo up
link set eth0 up
link set eth1 up
addr add {R4}/24 dev eth0
addr add {S4}/24 dev eth1
addr add {R6}/64 dev eth0 nodad
addr add {S6}/64 dev eth1 nodad
neigh add {A4} lladdr {MAC["a"]} dev eth0 nud permanent
neigh add {A6} lladdr {MAC["a"]} dev eth0 nud permanent
neigh add {B4} lladdr {MAC["b"]} dev eth1 nud permanent
neigh add {B6} lladdr {MAC["b"]} dev eth1 nud permanent
neigh add {C4} lladdr {MAC["b"]} dev eth1 nud permanent
neigh add {C6} lladdr {MAC["b"]} dev eth1 nud permanent
route add 203.0.113.0/24 dev eth1
route add 10.96.0.0/12 dev eth1
neigh add 10.96.0.20 lladdr {MAC["b"]} dev eth1 nud permanent
neigh add 10.96.0.77 lladdr {MAC["b"]} dev eth1 nud permanent
neigh add {OUTSIDE} lladdr {MAC["b"]} dev eth1 nud permanent
"""


def run(*words: str, text: str = "") -> None:
    """A command; a failure shows its complaint and what it was given."""
    done = subprocess.run(
        words, input=text, capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}\n{text}"


def _packets() -> socket.socket:
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    made.bind(("eth0", 3))
    made.setblocking(False)
    return made


def _local() -> dict[str, socket.socket]:
    """What passed INPUT: raw sockets are given a copy of it."""
    return {
        "tcp4": _protocol(socket.AF_INET, socket.IPPROTO_TCP),
        "udp4": _protocol(socket.AF_INET, socket.IPPROTO_UDP),
        "icmp4": _protocol(socket.AF_INET, socket.IPPROTO_ICMP),
        "tcp6": _protocol(socket.AF_INET6, socket.IPPROTO_TCP),
        "udp6": _protocol(socket.AF_INET6, socket.IPPROTO_UDP),
        "icmp6": _protocol(socket.AF_INET6, socket.IPPROTO_ICMPV6),
    }


def _protocol(family: int, protocol: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_RAW, protocol)
    made.setblocking(False)
    return made


def _raw(family: int) -> socket.socket:
    return socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)


def drained(sock: socket.socket) -> Sequence[bytes]:
    """Everything that came."""
    found = []
    with contextlib.suppress(BlockingIOError):
        while True:
            data, origin = sock.recvfrom(2048)
            if sock.family != socket.AF_PACKET or origin[2] != socket.PACKET_OUTGOING:
                found.append(data)
    return found


def frame(probe: Probe, src: str, dst: str, mark: int) -> bytes:
    """A whole frame; `mark` is what it is known by."""
    kind = 0x86DD if probe.family == 6 else 0x0800
    macs = bytes.fromhex(dst.replace(":", "")) + bytes.fromhex(src.replace(":", ""))
    return macs + struct.pack("!H", kind) + packet(probe, mark)


def packet(probe: Probe, mark: int) -> bytes:
    """An IP packet with right checksums."""
    payload = struct.pack("!I", mark)
    if probe.protocol == "udp":
        inner = dpkt.udp.UDP(sport=probe.sport, dport=probe.dport, data=payload)
        inner.ulen = len(inner)
    elif probe.protocol == "tcp":
        inner = dpkt.tcp.TCP(
            sport=probe.sport, dport=probe.dport, seq=mark, flags=dpkt.tcp.TH_SYN, win=1024
        )
    elif probe.family == 4:
        echo = dpkt.icmp.ICMP.Echo(id=mark & 0xFFFF, seq=1, data=payload)
        inner = dpkt.icmp.ICMP(type=8, data=echo)
    else:
        echo = dpkt.icmp6.ICMP6.Echo(id=mark & 0xFFFF, seq=1, data=payload)
        inner = dpkt.icmp6.ICMP6(type=128, data=echo)
    number = {"udp": 17, "tcp": 6, "icmp": 1, "icmpv6": 58}[str(probe.protocol)]
    src, dst = (ip_address(str(each)).packed for each in (probe.src, probe.dst))
    if probe.family == 4:
        outer = dpkt.ip.IP(src=src, dst=dst, p=number, ttl=64, data=inner)
        outer.len = len(outer)
        return bytes(outer)
    if number == 58:
        inner.sum = _checksum6(src, dst, bytes(inner))
    outer = dpkt.ip6.IP6(src=src, dst=dst, nxt=number, hlim=64, data=inner, plen=len(inner))
    return bytes(outer)


def _checksum6(src: bytes, dst: bytes, body: bytes) -> int:
    pseudo = src + dst + struct.pack("!IHBB", len(body), 0, 0, 58)
    return int(dpkt.in_cksum(pseudo + body))


def _parsed(data: bytes) -> "tuple[int, dpkt.ip.IP | dpkt.ip6.IP6] | None":
    try:
        if data[0] >> 4 == 4:
            return 4, dpkt.ip.IP(data)
        return 6, dpkt.ip6.IP6(data)
    except (dpkt.UnpackError, IndexError):
        return None


def _found(data: bytes, mark: int) -> tuple[str, str] | None:
    """Source and destination, if this is the packet with the mark."""
    parsed = _parsed(data)
    if parsed is None or not _marked(parsed[1].data, mark):
        return None
    return str(ip_address(parsed[1].src)), str(ip_address(parsed[1].dst))


def _marked(inner: object, mark: int) -> bool:
    if isinstance(inner, dpkt.tcp.TCP):
        return bool(inner.seq == mark)
    if isinstance(inner, dpkt.udp.UDP):
        return bytes(inner.data)[:4] == struct.pack("!I", mark)
    body = getattr(getattr(inner, "data", None), "data", b"")
    return isinstance(body, bytes) and body[:4] == struct.pack("!I", mark)


def _is_local(key: str, data: bytes, mark: int) -> bool:
    wanted = struct.pack("!I", mark)
    if key.endswith("4"):
        return _found(data, mark) is not None
    at = {"tcp6": 4, "udp6": 8, "icmp6": 8}[key]
    return data[at : at + 4] == wanted


def _told(data: bytes) -> str:
    """What this says to a sender; empty: nothing that rejects."""
    parsed = _parsed(data)
    if parsed is None:
        return ""
    family, outer = parsed
    inner = outer.data
    if isinstance(inner, dpkt.tcp.TCP):
        return "tcp reset" if inner.flags & dpkt.tcp.TH_RST else ""
    if isinstance(inner, dpkt.icmp.ICMP | dpkt.icmp6.ICMP6):
        kind = _ERRORS[family].get(inner.type)
        if kind is not None:
            return f"{kind} {_CODES[kind].get(inner.code, inner.code)}"
    return ""


@contextlib.contextmanager
def on_one_processor() -> Iterator[None]:
    """This thread stays where it is: backlogs are each processor's own."""
    every = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(every)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, every)
