"""Two faults at once are both named, and the one that stops the traffic first comes first."""

import json
from collections.abc import Iterator

import pytest

from tests.lab.universe import Universe

pytestmark = pytest.mark.lab

INPUT = "ip netns exec node-b iptables -{} INPUT -p udp --dport 8472 -j DROP"
FORWARD = "ip netns exec node-a iptables -{} FORWARD -j DROP"
SYSCTL = "ip netns exec node-b sysctl -wq net.ipv4.ip_forward={}"

PAIRS = {
    ("fdb-missing", "input-drop-8472"): (INPUT.format("I"), INPUT.format("D")),
    ("fdb-missing", "ip-forward-off"): (SYSCTL.format(0), SYSCTL.format(1)),
    ("forward-drop", "vtepmac-annotation-stale"): (FORWARD.format("I"), FORWARD.format("D")),
    ("routes-lost", "mac-changed-under-running-flannel"): (
        "ip -n node-b link set flannel.1 address 02:00:00:00:00:99", "true",
    ),
}  # fmt: skip
"""(what stops requests first, the other one) -> how the hand-made one is set and unset."""

INJECTED = {"fdb-missing", "vtepmac-annotation-stale", "routes-lost"}


@pytest.fixture(params=PAIRS, ids=lambda pair: " and ".join(pair))
def pair(request: pytest.FixtureRequest, lab: Universe) -> Iterator[tuple[str, str]]:
    injected = next(name for name in request.param if name in INJECTED)
    by_hand, undone = PAIRS[request.param]
    lab.lab("inject", injected)
    lab.output(by_hand.split())
    yield request.param
    lab.output(undone.split())
    lab.lab("heal")


def errors(lab: Universe, *words: str) -> list[str]:
    told = json.loads(lab.flantrace("--lab", *words, "--no-save", "--json").stdout)
    return [one["rule"] for one in told["findings"] if one["severity"] == "error"]


def test_a_trace_a_prediction_and_a_check_name_both(lab: Universe, pair: tuple[str, str]) -> None:
    assert tuple(errors(lab, "pod-a", "pod-b")) == pair
    assert tuple(errors(lab, "predict", "pod-a", "pod-b")) == pair
    assert set(errors(lab, "pod-b", "pod-a")) == set(pair)
    assert set(errors(lab, "check")) == set(pair)
