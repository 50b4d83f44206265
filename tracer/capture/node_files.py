"""A folder of saved command output -> one node's state. What is missing there is not read."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from tracer.capture import iproute, iproute_routes
from tracer.capture.iproute import Object
from tracer.capture.moments import iso, nanoseconds
from tracer.model.state import (
    Address,
    Counters,
    FdbEntry,
    FirewallDump,
    Link,
    Neighbour,
    NodeState,
    NotRead,
    Route,
    Rule,
)

Part = TypeVar("Part")

LARGEST = 64 << 20
"""Bytes of one file: 100,000 routes in JSON are some 20 MB."""

LATER = "link-after.json"
"""The devices once more, after the packets: what their counters have grown by is evidence."""

SUBNET_ENV = "/run/flannel/subnet.env"
_FIREWALL = {"iptables-save": "iptables-save", "nft.json": "nft -j list ruleset"}
_BROKEN = (LookupError, TypeError, ValueError, AttributeError, OverflowError)
"""What a converter raises where JSON has another shape than iproute2's."""


def node_state(folder: Path, node: str) -> NodeState:
    """The state that `docs/how-to/diagnose-captures.md` has a node save.

    The clock that it counts by is the node's wall clock since 1970: captures have no other. Where
    the folder does not tell when it was saved, `captured_at` is empty.
    """
    return _Reading(folder).state(node)


def later_counters(folder: Path) -> dict[str, Counters]:
    """ifname -> counters of `link-after.json`; empty where there is none."""
    after = _Reading(folder).links(LATER)
    return {link.ifname: link.counters for link in after}


class _Reading:
    """One folder in the reading, and what could not be read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._not_read: list[NotRead] = []

    def state(self, node: str) -> NodeState:
        """Part by part, in the order of NodeState."""
        captured_at, hostname, kernel, machine = self._about(node)
        links = self.links("link.json")
        self._miss("pods", "ip and bridge show no pod's own namespace")
        index = {link.ifname: link.ifindex for link in links}
        routes = self.part("route4.json", "routes", Route, _routes(index, 4))
        rules = self.part("rule4.json", "rules", Rule, _rules(4))
        # A node without IPv6 has neither.
        routes += self.part("route6.json", None, Route, _routes(index, 6))
        rules += self.part("rule6.json", None, Rule, _rules(6))
        return NodeState(
            node=node,
            hostname=hostname,
            kernel=kernel,
            machine=machine,
            captured_at=captured_at,
            monotonic_ns=nanoseconds(captured_at) or 0,
            netns=0,
            links=links,
            addresses=self.part("addr.json", "addresses", Address, iproute.addresses),
            routes=routes,
            rules=rules,
            neighbours=self.part(
                "neigh.json",
                "neighbours",
                Neighbour,
                lambda found: iproute.neighbours(found, index),
            ),
            fdb=self.part("fdb.json", "fdb", FdbEntry, lambda found: iproute.fdb(found, index)),
            sysctls=self._sysctls(),
            files=self._files(),
            firewall=self._firewall(),
            not_read=tuple(self._not_read),
        )

    def links(self, name: str) -> tuple[Link, ...]:
        """The devices. A counter that the later file knows was 0 where the first leaves it out."""
        counted = '"otherhost"' in self._text(LATER)
        what = "links" if name != LATER else None
        return self.part(name, what, Link, lambda found: iproute.links(found, counted=counted))

    def part(
        self,
        name: str,
        what: str | None,
        kind: type[Part],
        convert: Callable[[Sequence[Object]], tuple[Part, ...]],
    ) -> tuple[Part, ...]:
        """One JSON file converted; noted as not read where it is missing or of another shape.

        `what` None: it may be missing. `kind`: the record's types are checked, as the codec does.
        """
        text = self._text(name)
        if not text.strip():
            if what is not None:
                self._miss(what, f"{name} is missing or empty")
            return ()
        try:
            found = msgspec.json.decode(text, type=list[dict[str, object]])
            # iproute2 writes `{}` for what it skips.
            records = convert([one for one in found if one])
            return msgspec.convert(msgspec.to_builtins(records), type=tuple[kind, ...])  # type: ignore[valid-type]
        except (msgspec.DecodeError, RecursionError) as error:
            why = str(error)
        except _BROKEN as error:
            why = f"{type(error).__name__} {error}"
        self._miss(what or name, f"{name} is not iproute2's JSON: {why}")
        return ()

    def _miss(self, what: str, why: str) -> None:
        self._not_read.append(NotRead(what=what, why=why))

    def _text(self, name: str) -> str:
        """Empty: not there, or not to be read."""
        path = self._folder / name
        try:
            if not path.is_file() or path.stat().st_size > LARGEST:
                return ""
            return path.read_bytes().decode("utf-8", "replace")
        except OSError:
            return ""

    def _about(self, node: str) -> tuple[str, str, str, str]:
        """When it was saved, and hostname, kernel and machine as `uname -nrm` prints them."""
        date, _, rest = self._text("about").partition("\n")
        words = rest.split()
        captured = nanoseconds(date.strip())
        if captured is None:
            self._miss("about", "it does not say when the state was saved")
        hostname, kernel, machine = words if len(words) == 3 else (node, "not known", "not known")
        return iso(captured) if captured is not None else "", hostname, kernel, machine

    def _sysctls(self) -> Mapping[str, str]:
        pairs = (line.partition("=") for line in self._text("sysctl").splitlines())
        found = {name.strip(): value.strip() for name, equals, value in pairs if equals}
        if not found:
            self._miss("sysctls", "sysctl is missing or empty")
        return found

    def _files(self) -> Mapping[str, str]:
        text = self._text("subnet.env")
        if not text:
            self._miss(SUBNET_ENV, "subnet.env is missing or empty")
        return {SUBNET_ENV: text} if text else {}

    def _firewall(self) -> tuple[FirewallDump, ...]:
        found = []
        for name, tool in _FIREWALL.items():
            text = self._text(name)
            if text:
                found.append(FirewallDump(tool=tool, text=text))
            else:
                self._miss(tool, f"{name} is missing or empty")
        return tuple(found)


def _routes(
    index: Mapping[str, int], family: int
) -> Callable[[Sequence[Object]], tuple[Route, ...]]:
    return lambda found: iproute_routes.routes(found, index, family)


def _neighbours(index: Mapping[str, int]) -> Callable[[Sequence[Object]], tuple[Neighbour, ...]]:
    return lambda found: iproute.neighbours(found, index)


def _rules(family: int) -> Callable[[Sequence[Object]], tuple[Rule, ...]]:
    return lambda found: iproute_routes.rules(found, family)
