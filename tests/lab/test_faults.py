"""Each fault makes exactly its difference of state, and healing takes exactly that away."""

import json
from functools import lru_cache
from pathlib import Path

import pytest

from tests.conftest import Golden
from tests.lab.conftest import Shapes, ping
from tests.lab.dump import state
from tests.lab.universe import Universe
from tests.state_lines import difference
from tracer.lab.faults import FAULTS
from tracer.lab.plan import planned
from tracer.lab.shape import SHAPES

pytestmark = pytest.mark.lab

DIFFERENCES = Path(__file__).with_name("differences")
IN_ORDER_OF_SHAPES = sorted(FAULTS, key=lambda name: list(SHAPES).index(FAULTS[name].shapes[0]))


@pytest.fixture(scope="module")
def healthy(lab: Universe) -> list[str]:
    return health(lab)


@lru_cache
def health(lab: Universe) -> list[str]:
    lab.lab("heal")
    return state(lab)


def answers(lab: Universe, shape: str, seconds: float) -> set[str]:
    """What pod-b answers to packets that fill pod-a's MTU, in each family of the lab."""
    shown = lab.output(["ip", "-n", "pod-a", "-j", "link", "show", "dev", "eth0"])
    mtu = json.loads(shown)[0]["mtu"]
    ips = planned(3, SHAPES[shape])[1].pods[0].ips
    return {ping(lab, "pod-a", ip, mtu - (48 if ":" in ip else 28), seconds) for ip in ips}


@pytest.mark.parametrize("name", IN_ORDER_OF_SHAPES)
def test_a_fault_makes_exactly_its_difference_and_heal_takes_it_away(
    shapes: Shapes, golden: Golden, name: str
) -> None:
    shape = FAULTS[name].shapes[0]
    lab = shapes.of(shape)
    before = health(lab)
    lab.lab("inject", name)
    try:
        found = difference(before, state(lab))
        answered = answers(lab, shape, 0.5)
    finally:
        lab.lab("heal")
    arrived = answered == {"echo reply"}
    assert arrived is bool(FAULTS[name].spares), f"pod-a gets {answered} of pod-b"
    assert difference(before, state(lab)) == "", "heal did not restore everything"
    assert answers(lab, shape, 2) == {"echo reply"}
    golden(DIFFERENCES / f"{name}.txt", found)


def test_healing_a_healthy_lab_changes_nothing(lab: Universe, healthy: list[str]) -> None:
    lab.lab("heal")
    assert difference(healthy, state(lab)) == ""


def test_heal_undoes_what_hands_did(lab: Universe, healthy: list[str]) -> None:
    lab.lab("exec", "node-c", "--", "ip", "link", "delete", "flannel.1")
    lab.lab("exec", "node-a", "--", "ip", "neigh", "flush", "all", "nud", "permanent")
    lab.lab("heal")
    assert difference(healthy, state(lab)) == ""


def test_a_second_fault_is_refused_until_heal(lab: Universe) -> None:
    lab.lab("inject", "fdb-missing")
    try:
        again = lab.flantrace("lab", "inject", "routes-lost")
        assert again.returncode == 2
        assert "fdb-missing" in again.stderr
        assert "flantrace lab heal" in again.stderr
        assert "fdb-missing" in lab.lab("status")
    finally:
        lab.lab("heal")
    assert "fault       none" in lab.lab("status")


def test_every_fault_is_listed_on_one_line_with_its_name_first(lab: Universe) -> None:
    listed = lab.lab("faults").splitlines()
    assert [line.split()[0] for line in listed] == list(FAULTS)
    assert all(shape in SHAPES for fault in FAULTS.values() for shape in fault.shapes)
    assert all(len(line.split(maxsplit=1)[1]) > 20 for line in listed)


def test_an_unknown_fault_is_a_usage_error_with_a_hint(lab: Universe) -> None:
    done = lab.flantrace("lab", "inject", "fdb-mising")
    assert done.returncode == 2
    assert "flantrace lab faults" in done.stderr
