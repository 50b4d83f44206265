"""What one node's kernel and files say, in iproute2's words. Recorded whole, judged later."""

from collections.abc import Mapping

from tracer.model.packet import Ip, Mac, Net
from tracer.model.record import Record


class Vxlan(Record, frozen=True, kw_only=True):
    """Attributes of a vxlan device (IFLA_VXLAN_*)."""

    vni: int
    local: Ip | None
    port: int
    learning: bool
    gbp: bool
    underlay_ifindex: int | None
    """The device it is bound to (IFLA_VXLAN_LINK); None: bound to none."""
    group: Ip | None = None
    external: bool = False
    """Collect-metadata mode, as other CNIs use it."""


class Counters(Record, frozen=True, kw_only=True):
    """IFLA_STATS64. `rx_otherhost` is None below Linux 5.19, which does not count it."""

    rx_packets: int = 0
    tx_packets: int = 0
    rx_errors: int = 0
    tx_errors: int = 0
    rx_dropped: int = 0
    tx_dropped: int = 0
    tx_carrier_errors: int = 0
    rx_otherhost: int | None = None


class Link(Record, frozen=True, kw_only=True):
    """A network device."""

    ifindex: int
    ifname: str
    kind: str | None
    """`bridge`, `vxlan`, `veth`, `vlan`, `bond` ...; None for a plain device."""
    mac: Mac | None
    mtu: int
    up: bool
    """Administratively (IFF_UP)."""
    carrier: bool
    master: int | None = None
    peer_ifindex: int | None = None
    """IFLA_LINK: a veth's other end, a VLAN's lower device."""
    peer_netnsid: int | None = None
    vxlan: Vxlan | None = None
    vlan_id: int | None = None
    driver: str | None = None
    tx_checksum: bool | None = None
    """The device computes checksums of what it sends (ethtool -k, tx-checksumming)."""
    counters: Counters = Counters()


class Address(Record, frozen=True, kw_only=True, omit_defaults=True):
    """An address of a device, with its prefix length."""

    ifindex: int
    ip: Ip
    prefix_length: int
    scope: str
    deprecated: bool = False


class Route(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A route of any table. `destination` is a network; a default route is 0.0.0.0/0 or ::/0."""

    destination: Net
    gateway: Ip | None = None
    ifindex: int | None = None
    onlink: bool = False
    table: int = 254
    metric: int = 0
    kind: str = "unicast"
    """`unicast`, `local`, `broadcast`, `blackhole`, `unreachable`, `prohibit` ..."""
    scope: str = "global"
    protocol: int = 0
    source: Ip | None = None
    multipath: bool = False


class Rule(Record, frozen=True, kw_only=True):
    """A routing policy rule (`ip rule`)."""

    priority: int
    table: int
    action: str
    """`table` for a look-up, else `blackhole`, `unreachable`, `prohibit`, `goto`, `nop`."""
    family: int
    """4 or 6."""
    source: Net | None = None
    destination: Net | None = None
    iif: str | None = None
    oif: str | None = None
    mark: int | None = None
    mask: int | None = None
    inverted: bool = False
    suppress_prefix_length: int | None = None
    other: tuple[str, ...] = ()
    """Selectors that flantrace does not evaluate (uid, ports, protocol, tos), by name."""


class Lookup(Record, frozen=True, kw_only=True):
    """What the kernel itself answered to one route look-up (RTM_GETROUTE, `ip route get`)."""

    dst: Ip
    src: Ip | None = None
    iif: str | None = None
    """The device by which the packet would come in; None: the node sends it itself."""
    route: Route | None = None
    """None: there is none; `error` says why."""
    error: str | None = None
    """The C library's words, such as `Network is unreachable`."""


class Neighbour(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A neighbour entry (`ip neigh`)."""

    ifindex: int
    ip: Ip
    mac: Mac | None
    state: str
    """The kernel's word: `PERMANENT`, `REACHABLE`, `STALE`, `INCOMPLETE`, `FAILED` ..."""


class FdbEntry(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A forwarding database entry (`bridge fdb`) of a vxlan device or a bridge port."""

    ifindex: int
    mac: Mac
    dst: Ip | None = None
    state: str = "permanent"
    flags: tuple[str, ...] = ()
    """`self`, `master`, `extern_learn` ..."""
    vlan: int | None = None
    port: int | None = None
    vni: int | None = None


class FirewallDump(Record, frozen=True, kw_only=True):
    """What one firewall tool prints, unparsed."""

    tool: str
    """The command, such as `nft -j list ruleset` or `iptables-legacy-save`."""
    text: str


class TcFilter(Record, frozen=True, kw_only=True):
    """A traffic-control program or filter of somebody else on a device that packets pass."""

    ifindex: int
    hook: str
    """`ingress`, `egress` or `tcx ingress`, `tcx egress`, `xdp`."""
    name: str


class PodLink(Record, frozen=True, kw_only=True):
    """A pod's namespace as seen from its node, found by the pod's address."""

    ip: Ip
    netns: int
    """Inode of the pod's network namespace."""
    found_in: str
    """Where the namespace was found, such as `/run/netns/cni-...` or `/proc/1234/ns/net`."""
    host_ifindex: int | None
    """The host's end of the veth pair; None: the pod has no veth whose other end is here."""
    ifname: str
    """The device inside the pod that holds the address."""
    mac: Mac | None
    mtu: int
    up: bool
    routes: tuple[Route, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()


class NotRead(Record, frozen=True, kw_only=True):
    """A part of the state that could not be read, and why. A rule that needs it is skipped."""

    what: str
    why: str


class NodeState(Record, frozen=True, kw_only=True, tag="state", tag_field="kind"):
    """Everything read from one node at one moment."""

    node: str
    hostname: str
    kernel: str
    machine: str
    captured_at: str
    """UTC, ISO 8601, by the node's own clock."""
    monotonic_ns: int
    netns: int
    links: tuple[Link, ...] = ()
    addresses: tuple[Address, ...] = ()
    routes: tuple[Route, ...] = ()
    rules: tuple[Rule, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    fdb: tuple[FdbEntry, ...] = ()
    pods: tuple[PodLink, ...] = ()
    """The traced pods that live here."""
    sysctls: Mapping[str, str] = {}
    """Name as `sysctl` prints it, `net.ipv4.ip_forward`; `/` is a dot of a device's name."""
    files: Mapping[str, str] = {}
    """Absolute path -> text: subnet.env, CNI configuration, flannel's delegate files."""
    host_local: Mapping[str, str] = {}
    """Reserved pod address -> the file's text (container id and interface)."""
    firewall: tuple[FirewallDump, ...] = ()
    filters: tuple[TcFilter, ...] = ()
    lookups: tuple[Lookup, ...] = ()
    """Look-ups for the traced pair, answered by the kernel."""
    vxlan_support: str | None = None
    """`builtin`, `loaded`, `module` (there, and not loaded) or `missing`; None: not known."""
    promised: tuple[str, ...] = ()
    """On the wire only: peers whose entries were left out, for they are what the leases promise."""
    not_read: tuple[NotRead, ...] = ()
