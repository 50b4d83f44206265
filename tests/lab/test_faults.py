"""Each fault makes exactly its difference of state, and healing takes exactly that away."""

from pathlib import Path

import pytest

from tests.conftest import Golden
from tests.lab.conftest import ping
from tests.lab.dump import difference, state
from tests.lab.universe import Universe
from tracer.lab.faults import FAULTS

pytestmark = pytest.mark.lab

DIFFERENCES = Path(__file__).with_name("differences")
FULL_MTU = 1450 - 28
"""Payload of an ICMP echo that fills the overlay's MTU."""


@pytest.fixture(scope="module")
def healthy(lab: Universe) -> list[str]:
    lab.lab("heal")
    return state(lab)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_makes_exactly_its_difference_and_heal_takes_it_away(
    lab: Universe, healthy: list[str], golden: Golden, name: str
) -> None:
    lab.lab("inject", name)
    try:
        found = difference(healthy, state(lab))
        answer = ping(lab, "pod-a", "10.244.2.2", FULL_MTU, 0.5)
    finally:
        lab.lab("heal")
    assert answer != "echo reply", "the fault does not hit the traffic of pod-a to pod-b"
    assert difference(healthy, state(lab)) == "", "heal did not restore everything"
    assert ping(lab, "pod-a", "10.244.2.2", FULL_MTU, 2) == "echo reply"
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
    assert all(len(line.split(maxsplit=1)[1]) > 20 for line in listed)


def test_an_unknown_fault_is_a_usage_error_with_a_hint(lab: Universe) -> None:
    done = lab.flantrace("lab", "inject", "fdb-mising")
    assert done.returncode == 2
    assert "flantrace lab faults" in done.stderr
