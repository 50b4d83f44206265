"""What packets that deviate from the leases mean: where the cause sits, and what it may be."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from tracer.core.examine.explaining import (
    ANNOTATION,
    CHANGED_MAC,
    DEAD,
    LIVE,
    MOVED,
    NAMED_BY,
    ROUTES,
    STALE,
    TWINS,
    UNPUBLISHED,
)
from tracer.core.examine.seen import Seen
from tracer.core.facts import Facts, MissingFact
from tracer.core.leases import VXLAN
from tracer.model.diagnosis import Severity
from tracer.model.watch import Deviating, Kind

LOST, LEFTOVER = "routes-lost", "stale-route-deleted-node"
BARE = tuple(one for one in ROUTES if one != LEFTOVER)
"""Rules of what takes packets past the VTEP."""


class Meaning(NamedTuple):
    """What a piece of evidence amounts to where no table explains it."""

    rule: str
    node: str
    """Where the cause sits."""
    sentence: str
    named_by: frozenset[str] = frozenset()
    """Rules whose findings explain it."""
    there: frozenset[str] = frozenset()
    """At which nodes."""
    also: tuple[str, ...] = ()
    severity: Severity = Severity.ERROR
    device: str | None = None
    opens: bool = True
    """False: without a finding of the tables it is none."""


class _Told(NamedTuple):
    rule: str
    node: str
    sentence: str
    also: tuple[str, ...] = ()
    severity: Severity = Severity.ERROR


def of_deviating(facts: Facts, one: Deviating) -> Meaning | None:
    """None: a kind that is told otherwise, or is none of this version's; or nothing is wrong."""
    tell = _BY_KIND.get(one.kind)
    if tell is None:
        return None
    if one.peer is None and one.kind is not Kind.NO_LEASE:
        return None  # whoever it was held against leases nothing any more
    seen = Seen(facts, one)
    if _is_as_leased(seen, one.kind):
        return None
    told = tell(seen)
    return Meaning(
        rule=told.rule,
        node=told.node,
        sentence=told.sentence,
        named_by=NAMED_BY[one.kind],
        there=frozenset((seen.here, seen.peer, told.node, seen.home or told.node)),
        also=told.also,
        severity=told.severity,
        device=device_of(told.rule, seen.vtep),
    )


def _is_as_leased(seen: Seen, kind: Kind) -> bool:
    """What deviated is as the peer's lease has it: that has changed, and the kernel held the packet

    against the one before.
    """
    lease = seen.lease(seen.peer)
    if lease is None or seen.inner is None:
        return False
    if kind in (Kind.PEER_MAC, Kind.SENDER_MAC):
        mac = seen.inner.dst_mac if kind is Kind.PEER_MAC else seen.inner.src_mac
        return mac is not None and mac == lease.vtep_mac
    if seen.outer is None or seen.leaves is not (kind is Kind.OUTER_DST):
        return False
    return lease.public_ip == {
        Kind.OUTER_DST: seen.outer.dst,
        Kind.OUTER_SRC: seen.outer.src,
    }.get(kind, "")


_WITHOUT_DEVICE = frozenset({UNPUBLISHED, "backend-type-mixed", "directrouting-asymmetric"})


def device_of(rule: str, vtep: str) -> str | None:
    """As the rule itself says it, so that it stays one finding whoever found it."""
    return None if rule in _WITHOUT_DEVICE else vtep


def _peer_mac(seen: Seen) -> _Told:
    return _Told(
        STALE,
        seen.here,
        f"{seen.here} addresses frames for {seen.peer} to a MAC that {seen.peer}'s lease has not.",
        seen.both,
    )


def _own_mac(seen: Seen) -> _Told:
    mac = seen.inner.dst_mac if seen.inner is not None else None
    meant = seen.pod_owner(seen.inner.dst if seen.inner is not None else None)
    own = seen.lease(seen.here)
    if meant is not None and meant.node not in (seen.here, seen.peer):
        sentence = f"{seen.peer} sends frames for {meant.node} to {seen.here}."
        return _Told(LIVE, seen.peer, sentence, (TWINS,))
    if mac is not None and own is not None and own.vtep_mac == mac:
        sentence = f"{seen.here}'s lease advertises a MAC that {seen.vtep} there does not have."
        return _Told(ANNOTATION, seen.here, sentence, (CHANGED_MAC,))
    if mac is None:
        sentence = (
            f"{seen.peer} addresses frames to another MAC than {seen.vtep} of {seen.here} has."
        )
        return _Told(STALE, seen.peer, sentence, (ANNOTATION, LIVE, *seen.both))
    sentence = (
        f"{seen.peer} addresses frames for {seen.here} to a MAC that neither {seen.here}'s lease"
        f" nor its {seen.vtep} has."
    )
    return _Told(STALE, seen.peer, sentence, (ANNOTATION, *seen.both))


def _sender_mac(seen: Seen) -> _Told:
    owner = seen.mac_owner(seen.inner.src_mac if seen.inner is not None else None)
    if owner not in (None, seen.peer):
        sentence = f"Frames of {seen.peer} come in at {seen.here} with the VtepMAC of {owner}."
        return _Told(TWINS, seen.peer, sentence, (ANNOTATION, "duplicate-podcidr"))
    sentence = f"Frames of {seen.peer} come in at {seen.here} from a MAC that its lease has not."
    return _Told(ANNOTATION, seen.peer, sentence, (CHANGED_MAC, TWINS))


def _outer_dst(seen: Seen) -> _Told:
    dst = seen.outer.dst if seen.outer is not None else None
    if not seen.leaves:
        sentence = (
            f"{seen.peer} sends frames for {seen.here} to another address than {seen.vtep} there"
            " has."
        )
        return _Told(MOVED, seen.here, sentence, (LIVE, "wrong-interface"))
    owner = seen.facts.owner_of(dst) if dst is not None else None
    if owner not in (None, seen.peer):
        return _Told(LIVE, seen.here, f"{seen.here} sends frames for {seen.peer} to {owner}.")
    if dst is not None and owner is None:
        sentence = f"{seen.here} sends frames for {seen.peer} to the address of no node."
        return _Told(DEAD, seen.here, sentence, seen.both)
    sentence = f"{seen.here} sends frames for {seen.peer} to another address than it publishes."
    return _Told(DEAD, seen.here, sentence, (LIVE, *seen.both))


def _outer_src(seen: Seen) -> _Told:
    if seen.leaves:
        sentence = f"Frames of {seen.here} leave from another address than {seen.vtep} there has."
        return _Told(MOVED, seen.here, sentence, ("masq-pod-to-pod",))
    sentence = (
        f"Frames of {seen.peer} come in at {seen.here} from an address not its published one."
    )
    return _Told(MOVED, seen.peer, sentence, ("public-ip-nat", "wrong-interface"))


def _vni(seen: Seen) -> _Told:
    own = seen.lease(seen.here)
    odd = seen.here if own is not None and own.vni not in (None, seen.facts.vni) else seen.peer
    if seen.leaves:
        sentence = f"{seen.here} sends frames for {seen.peer} with another VNI than its own."
        return _Told("vni-mismatch", seen.here, sentence)
    sentence = (
        f"Frames of {seen.peer} come in at {seen.here} with another VNI than {seen.vtep} has."
    )
    return _Told("vni-mismatch", odd, sentence)


def _port(seen: Seen) -> _Told:
    if seen.leaves:
        sentence = f"{seen.here} sends VXLAN to {seen.peer} by another UDP port than its own."
        return _Told("port-mismatch", seen.here, sentence)
    conf, own = seen.facts.net_conf, _own_port(seen)
    odd = seen.here if conf is not None and own not in (None, conf.port) else seen.peer
    sentence = f"{seen.peer} sends VXLAN to another UDP port than {seen.here} listens on."
    return _Told("port-mismatch", odd, sentence)


def _own_port(seen: Seen) -> int | None:
    try:
        link = seen.facts.vtep(seen.here, seen.family)
    except MissingFact:
        return None
    return link.vxlan.port if link is not None and link.vxlan is not None else None


def _plain(seen: Seen) -> _Told:
    if seen.leaves:
        sentence = f"{seen.here} sends packets for pods of {seen.peer} without VXLAN."
        return _Told(LOST, seen.here, sentence, tuple(one for one in BARE if one != LOST))
    sentence = f"Packets of {seen.peer}'s pods come in at {seen.here} without VXLAN."
    lease, conf = seen.lease(seen.peer), seen.facts.net_conf
    first = LOST
    if lease is not None and lease.backend_type not in (None, VXLAN):
        first = "backend-type-mixed"
    elif conf is not None and conf.direct_routing:
        first = "directrouting-asymmetric"
    others = (one for one in (*BARE, "backend-type-mixed") if one != first)
    return _Told(first, seen.peer, sentence, tuple(others))


def _no_lease(seen: Seen) -> _Told:
    """Pods may probe any address: a warning, until more is known."""
    inner = seen.inner
    end = (inner.dst if seen.leaves else inner.src) if inner is not None else None
    owner, verb = seen.pod_owner(end), "go to" if seen.leaves else "come from"
    if owner is not None and owner.defect is not None:
        sentence = f"Packets at {seen.here} {verb} pods of {owner.node}, whose lease peers ignore."
        return _Told(UNPUBLISHED, owner.node, sentence, (), Severity.WARNING)
    if seen.home not in (None, seen.here):
        sentence = f"Packets at {seen.here} {verb} pods of {seen.home}, which leases no address."
        return _Told(UNPUBLISHED, str(seen.home), sentence, ("podcidr-not-assigned",))
    sentence = f"Packets at {seen.here} {verb} addresses of the pods' network that no node leases."
    rules = (LEFTOVER, UNPUBLISHED)
    first, *rest = rules if seen.leaves else rules[::-1]
    by = seen.facts.owner_of(seen.outer.src) if seen.outer is not None else None
    node = by if by is not None and not seen.leaves else seen.here
    return _Told(first, node, sentence, tuple(rest), Severity.WARNING)


_BY_KIND: Mapping[Kind, Callable[[Seen], _Told]] = {
    Kind.NO_LEASE: _no_lease,
    Kind.PEER_MAC: _peer_mac,
    Kind.OWN_MAC: _own_mac,
    Kind.SENDER_MAC: _sender_mac,
    Kind.OUTER_DST: _outer_dst,
    Kind.OUTER_SRC: _outer_src,
    Kind.VNI: _vni,
    Kind.PORT: _port,
    Kind.PLAIN: _plain,
}
