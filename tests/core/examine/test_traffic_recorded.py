"""The recorded faults, as a watch of one of the two nodes would have seen them, or of both.

The packets of a recorded trace are held against the leases as the kernel programs do it
(held_packets.py); the tables of the other nodes are taken away.
"""

import pytest

from tests.cases import BUNDLE, SWAPPED, bundle_of, fault_of, names, rule_of, swapped
from tests.core.examine.held_packets import watch_of
from tracer.bundle.archive import read
from tracer.core.examine import examine
from tracer.model.diagnosis import Finding

A, B = "node-a", "node-b"

SAME = {"peer-flannel1-down": "own-flannel1-down"}
"""One fault, named from the two ends of a way."""

SPARED = {
    "podcidr-not-assigned": "it is node-c that has none: what node-a and node-b send arrives",
    "podcidr-outside-network": "it is node-c's: what node-a and node-b send arrives",
}
"""Faults that the traced packets do not meet."""

BY_BOTH = {
    "cloud-sg-8472": "both nodes' tables are right, and nothing comes in",
    "nsx-intercepts-8472": "both nodes' tables are right, and nothing comes in",
    "underlay-mtu-blackhole": "both nodes' tables are right, and large packets do not come in",
}
"""Faults between the nodes: only both nodes' counters together show that packets are lost."""

ALLOWED: dict[tuple[str, ...], str] = {("rp-filter", A): "routes-lost"}
"""What the other node may call it: packets of node-b come bare, by the route that its filter is
about."""

BROKEN = [name for name in names(BUNDLE) if fault_of(name) is not None and name not in SPARED]
HEALTHY = [name for name in names(BUNDLE) if name.startswith("healthy")]


def found(name: str, *nodes: str, file: str = BUNDLE) -> tuple[Finding, ...]:
    trace = read(bundle_of(name, file))
    here = tuple(node for node in nodes if node in trace.nodes)
    return examine(watch_of(trace, *here)).findings if here else ()


def names_it(findings: tuple[Finding, ...], name: str) -> bool:
    """As its name, or among those that the same packets allow."""
    rule = rule_of(name)
    return any({rule, SAME.get(rule, rule)} & {one.rule, *one.also} for one in findings)


@pytest.mark.parametrize("name", BROKEN)
def test_a_watch_of_both_nodes_names_the_fault(name: str) -> None:
    assert names_it(found(name, A, B), name)


@pytest.mark.parametrize("name", [name for name in BROKEN if name not in BY_BOTH])
def test_a_watch_of_one_of_them_names_it(name: str) -> None:
    assert names_it(found(name, A), name) or names_it(found(name, B), name)


@pytest.mark.parametrize("name", BY_BOTH)
def test_what_lies_between_them_neither_knows_by_itself(name: str) -> None:
    assert found(name, A) == found(name, B) == ()


@pytest.mark.parametrize("file", [BUNDLE, SWAPPED])
@pytest.mark.parametrize("nodes", [(A,), (B,), (A, B)])
@pytest.mark.parametrize("name", BROKEN)
def test_nothing_else_is_said(name: str, nodes: tuple[str, ...], file: str) -> None:
    if not bundle_of(name, file).exists():
        pytest.skip(f"{name} was not traced the other way")
    right = {name, ALLOWED.get((name, *nodes), name)}
    if file == SWAPPED:
        right.add(swapped(name))
    wrong = [
        one
        for one in found(name, *nodes, file=file)
        if not any(names_it((one,), each) for each in right)
    ]
    assert [(one.rule, one.node) for one in wrong] == []


@pytest.mark.parametrize("nodes", [(A,), (B,), (A, B)])
@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_packets_over_healthy_tables_are_no_finding(
    name: str, nodes: tuple[str, ...]
) -> None:
    assert found(name, *nodes) == ()


@pytest.mark.parametrize("name", SPARED)
def test_nor_are_those_that_a_fault_elsewhere_spares(name: str) -> None:
    assert not any(one.explains for one in found(name, A, B))
