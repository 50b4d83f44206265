"""How much a bundle may hold. Far above what is real, and little enough to read without harm."""

from ipaddress import ip_address

from tracer.errors import BadBundle
from tracer.model.bundle import Bundle
from tracer.model.cluster import ClusterState

MOST_OBSERVATIONS = 60_000
"""A recording ends before (recording/record.py); one packet is seen at eight points, so it tells
of 7,500."""

NODES = 20_000
"""Four times what Kubernetes supports (kubernetes.io, "Considerations for large clusters")."""

PODS = 500_000

MESSAGES = 100_000
"""Probes, test datagrams and troubles: a trace sends a thousand probes at most."""

BASE_ENTRIES, BYTES_PER_ENTRY = 50_000, 8
"""So many entries, and one more for so many compressed bytes. In a recording of 1,000 nodes an
entry takes eleven; without a bound one megabyte of `{},{},{},` would take a gigabyte of memory."""

BASE_STRINGS, STRINGS_PER_BYTE = 200_000, 1
"""The same for strings: four to six go with an entry."""


class Scale:
    """Weighs what an archive unpacks to, before it is decoded."""

    def __init__(self, compressed: int) -> None:
        self._entries = BASE_ENTRIES + compressed // BYTES_PER_ENTRY
        self._strings = BASE_STRINGS + compressed * STRINGS_PER_BYTE

    def put(self, text: bytes) -> None:
        """ValueError: the archive holds more than any bundle of its size."""
        self._entries -= text.count(b"{")
        self._strings -= text.count(b'"') // 2 - text.count(b'":')
        if self._entries < 0 or self._strings < 0:
            raise ValueError("it holds more entries than a bundle of its size can")


def check(bundle: Bundle, name: str) -> Bundle:
    """The same bundle; BadBundle for numbers that no recording has, or for no address at an end.

    Whatever else is odd in a recording is a fact about it: the core copes.
    """
    if bundle.request is None and bundle.check is None:
        raise BadBundle(f"{name} is damaged: it asks nothing", where=name, hint="copy it again")
    ends = () if bundle.request is None else (bundle.request.source, bundle.request.destination)
    for end in ends:
        if not _is_ip(end.ip):
            raise BadBundle(
                f"{name} is damaged: {end.ip!r} is no address", where=name, hint="copy it again"
            )
    cluster: ClusterState = bundle.cluster
    for count, most, what in (
        (len(bundle.observations), MOST_OBSERVATIONS, "observations"),
        (max(len(cluster.nodes), len(bundle.nodes), len(bundle.agents)), NODES, "nodes"),
        (max(len(cluster.pods), len(cluster.flannel_pods)), PODS, "pods"),
        (len(bundle.sent) + len(bundle.datagrams) + len(bundle.troubles), MESSAGES, "messages"),
    ):
        if count > most:
            raise BadBundle(
                f"{name} holds {count} {what}, and a bundle at most {most}",
                where=name,
                hint="flantrace writes none such; where does it come from?",
            )
    return bundle


def _is_ip(text: str) -> bool:
    try:
        return bool(ip_address(text))
    except ValueError:
        return False
