"""The rules of a watch's evidence."""

from collections.abc import Mapping

from tracer.bundle.redact.rules import Kind, Rule
from tracer.model.record import Record
from tracer.model.sampled import Sampled
from tracer.model.watch import Deviating, Dropping, Gap, Happening, ReadAt, Watched

K = Kind
_NODE = Rule(K.NODE, "The same token as everywhere.")
_NUMBER = Rule(K.KEEP, "A number.")
_MOMENT = Rule(K.KEEP, "Nanoseconds since the node started.")
_SUBNET = Rule(K.NETWORK, "It holds what it held.")
_SEEN = Rule(K.INSIDE, "A packet.")
_HOOK = Rule(K.KEEP, "One of six words.")

WATCH: Mapping[type[Record], Mapping[str, Rule]] = {
    Watched: {
        "time_ns": _MOMENT,
        "deviating": Rule(K.INSIDE, "Misaddressed packets."),
        "dropping": Rule(K.INSIDE, "Dropped packets."),
        "gaps": Rule(K.INSIDE, "Lost packets."),
        "happened": Rule(K.INSIDE, "What changed before."),
        "read": Rule(K.INSIDE, "When each node's tables were read."),
        "sampled": Rule(K.INSIDE, "What there is of each node's samples."),
        "aside": Rule(K.KEEP, "Numbers of lines."),
    },
    Sampled: {
        "node": _NODE,
        "since_ns": _MOMENT,
        "until_ns": _MOMENT,
        "one_in": _NUMBER,
        "lost": _NUMBER,
        "points": Rule(K.INSIDE, "The devices that were watched."),
    },
    ReadAt: {"node": _NODE, "time_ns": _MOMENT},
    Deviating: {
        "node": _NODE,
        "peer": _NODE,
        "subnet": _SUBNET,
        "kind": Rule(K.KEEP, "One of ten words."),
        "direction": Rule(K.KEEP, "In or out."),
        "ifname": Rule(K.DEVICE, "The same name as in the node's links."),
        "packets": _NUMBER,
        "first_ns": _MOMENT,
        "last_ns": _MOMENT,
        "seen": _SEEN,
        "explained_ns": _MOMENT,
    },
    Dropping: {
        "node": _NODE,
        "peer": _NODE,
        "subnet": _SUBNET,
        "reason": Rule(K.KEEP, "The kernel's word."),
        "caller": Rule(K.KEEP, "A function of the kernel and an offset, never an address."),
        "packets": _NUMBER,
        "first_ns": _MOMENT,
        "last_ns": _MOMENT,
        "seen": _SEEN,
        "explained_ns": _MOMENT,
    },
    Gap: {
        "sender": _NODE,
        "receiver": _NODE,
        "peer": _NODE,
        "after": _HOOK,
        "before": _HOOK,
        "sent": _NUMBER,
        "missing": _NUMBER,
        "first_ns": _MOMENT,
        "last_ns": _MOMENT,
        "explained_ns": _MOMENT,
    },
    Happening: {
        "node": _NODE,
        "time_ns": _MOMENT,
        "what": Rule(K.PROSE, "flantrace's own sentence, with names and addresses in it."),
        "about": Rule(K.PROSE, "Names, addresses and MACs: the same tokens as everywhere."),
    },
}
