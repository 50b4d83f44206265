"""Two recordings held against each other: before and after a fix, or a good pair and a bad one."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from ipaddress import ip_network
from itertools import zip_longest

from tracer.core.diagnose import diagnose
from tracer.core.leases import leases
from tracer.core.listing import CLUSTER, LEARNED, Lines, Table, listing
from tracer.core.verdict import DELIVERED, FAULT
from tracer.model.bundle import Bundle
from tracer.model.difference import SCHEMA, Change, Difference, Side, Turn
from tracer.model.lease import Lease

OTHER = "other-node"
_WORD = re.compile(r"[0-9A-Za-z:./_-]+")


def difference(before: Bundle, after: Bundle) -> Difference:
    """What changed in state and verdict from one bundle to the other. ValueError: no traces."""
    first, second = _side(before), _side(after)
    turn = _turn(first, second)
    by_part = _nodes(before) != _nodes(after)
    old, new = (_by_part(one) if by_part else listing(one) for one in (before, after))
    changes = tuple(
        Change(place=place, table=table, before=gone, after=come)
        for place, table in old
        if (place, table) in new
        for gone, come in _changed(old[place, table], new[place, table])
    )
    return Difference(
        schema=SCHEMA,
        turn=turn,
        sentence=_sentence(turn, first, second, len(changes)),
        before=first,
        after=second,
        by_part=by_part,
        changes=changes,
        not_compared=() if by_part else tuple(_only_in_one(before, after)),
    )


def _side(bundle: Bundle) -> Side:
    diagnosis = diagnose(bundle)
    return Side(
        recorded_at=diagnosis.recorded_at,
        request=bundle.traced,
        verdict=diagnosis.verdict,
        rules=tuple(dict.fromkeys(finding.rule for finding in diagnosis.findings)),
    )


def _turn(before: Side, after: Side) -> Turn:
    codes = (before.verdict.exit_code, after.verdict.exit_code)
    if codes == (FAULT, DELIVERED):
        return Turn.FIXED
    if codes == (DELIVERED, FAULT):
        return Turn.BROKEN
    if codes == (DELIVERED, DELIVERED):
        return Turn.SAME
    if codes == (FAULT, FAULT):
        same = _fault(before) == _fault(after)
        return Turn.SAME if same else Turn.OTHER
    return Turn.UNKNOWN


def _fault(side: Side) -> tuple[str | None, str]:
    return side.verdict.rule, side.verdict.outcome.value


def _sentence(turn: Turn, before: Side, after: Side, changes: int) -> str:
    entries = "One entry differs." if changes == 1 else f"{changes or 'No'} entries differ."
    then, now = (f"{_answer(side)}" for side in (before, after))
    if turn is Turn.SAME:
        return f"both are {now}. {entries}"
    if turn is Turn.UNKNOWN:
        return f"the first is {then}, the second {now}. {entries}"
    return f"it was {then} and is {now} now. {entries}"


def _answer(side: Side) -> str:
    verdict = side.verdict
    word = verdict.outcome.value.upper()
    if verdict.exit_code == DELIVERED or verdict.rule is None:
        return word
    return f"{word} by {verdict.rule}"


def _nodes(bundle: Bundle) -> tuple[str, str]:
    return bundle.traced.source.node, bundle.traced.destination.node


def _only_in_one(before: Bundle, after: Bundle) -> Iterator[str]:
    for name, one, other in (("first", before, after), ("second", after, before)):
        for node in sorted(set(one.nodes) - set(other.nodes)):
            yield f"the state of {node}: only the {name} recording has it"


def _changed(before: Table, after: Table) -> Iterator[tuple[str | None, str | None]]:
    """Equal lines cancel out, however often they stand there; the rest is paired by key."""
    left = Counter(text for _, text in before())
    come: dict[str, list[str]] = {}
    for key, text in after():
        if left[text] > 0:
            left[text] -= 1
        else:
            come.setdefault(key, []).append(text)
    gone: dict[str, list[str]] = {}
    for key, text in before() if any(left.values()) else ():
        if left[text] > 0:
            left[text] -= 1
            gone.setdefault(key, []).append(text)
    for key in dict.fromkeys((*gone, *come)):
        for one, other in zip_longest(gone.get(key, ()), come.get(key, ())):
            if not _comes_and_goes(one, other):
                yield one, other


def _comes_and_goes(before: str | None, after: str | None) -> bool:
    """A neighbour that was learned and forgotten. One with another MAC is a change."""
    return None in (before, after) and (before or after or "").endswith(LEARNED)


def _by_part(bundle: Bundle) -> dict[tuple[str, str], Table]:
    """The lines of the two ends' nodes, every name and address by its part in the trace."""
    words = _parts(bundle)
    ends = {CLUSTER, *_nodes(bundle)}
    return {
        (words.get(place, place), table): partial(_told_by_part, lines, words)
        for (place, table), lines in listing(bundle).items()
        if place in ends
    }


def _told_by_part(lines: Table, words: Mapping[str, str]) -> Lines:
    """What concerns a third node is left out: it has no counterpart in the other recording."""
    for key, text in lines():
        told = _replaced(key, words), _replaced(text, words)
        if not any(OTHER in part for part in told):
            yield told


def _parts(bundle: Bundle) -> Mapping[str, str]:
    """Name or address -> its part: `source`, `destination's public-ip` ..."""
    source, destination = bundle.traced.source, bundle.traced.destination
    parts = {source.node: "source", destination.node: "destination"}
    if source.node == destination.node:
        parts = {source.node: "node"}
    words = {source.ip: "source-pod-ip", destination.ip: "destination-pod-ip"}
    for node in bundle.cluster.nodes:
        part = parts.get(node.name, OTHER)
        words[node.name] = part
        words |= dict.fromkeys(node.internal_ips, f"{part}-ip")
    for lease in leases(bundle.cluster):
        words |= _lease_words(lease, parts.get(lease.node, OTHER))
    for pod in bundle.cluster.flannel_pods:
        # Two nodes' flanneld differ in that and mean nothing by it.
        words |= {pod.name: "flanneld", pod.started or "": "some-time"}
    for name, state in bundle.nodes.items():
        words[state.hostname] = part = parts.get(name, OTHER)
        for link in state.links:
            veth = link.ifname.startswith("veth")
            words |= {link.ifname: "veth"} if veth else {}
            words |= (
                {link.mac: f"{part}-mac-{words.get(link.ifname, link.ifname)}"} if link.mac else {}
            )
        words |= {pod.mac: f"{part}-pod-mac" for pod in state.pods if pod.mac is not None}
    return words


def _lease_words(lease: Lease, part: str) -> dict[str, str]:
    words = {}
    if lease.public_ip is not None:
        words[lease.public_ip] = f"{part}-public-ip"
    if lease.vtep_mac is not None:
        words[lease.vtep_mac] = f"{part}-vtep-mac"
    if lease.pod_cidr is not None:
        net = ip_network(lease.pod_cidr, strict=False)
        words[str(net)] = f"{part}-pod-cidr"
        words[str(net.network_address)] = f"{part}-vtep-ip"
        words[str(net[-1])] = f"{part}-broadcast"
        words[str(net[1])] = f"{part}-bridge-ip"
    return words


def _replaced(text: str, words: Mapping[str, str]) -> str:
    def part(match: re.Match[str]) -> str:
        word = match[0]
        if word in words:
            return words[word]
        stem, slash, length = word.rpartition("/")
        return f"{words[stem]}/{length}" if slash and stem in words else word

    return _WORD.sub(part, text)
