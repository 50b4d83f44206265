"""`flantrace check NODE` on a real lab: a fault in one node's tables is named by reading that node.

Which node that is, the recorded checks of all nodes say: where they find the fault.
"""

import json

import pytest

from tests.cases import CHECK, bundle_of
from tests.lab.conftest import Shapes
from tests.lab.universe import Universe
from tracer.bundle.archive import read
from tracer.core.examine import examine
from tracer.lab.faults import FAULTS
from tracer.lab.shape import SHAPES

pytestmark = pytest.mark.lab

BY_THE_OTHER_NODE = {
    "dualstack-update-ignored": "node-b's lease and device agree; its peers kept what was before",
    "public-ip-nat": "node-b's address is right where node-b is; from outside it leads nowhere",
    "wrong-interface": "node-b has the address that it publishes; its peers have no way to it",
}
"""Faults of node-b that its own tables do not show, and why: node-a's do."""

SAME = {"peer-flannel1-down": "own-flannel1-down"}
"""By itself it is a sender: this is what the rule calls it there."""

NAMED = sorted(
    (name for name, fault in FAULTS.items() if not fault.hidden),
    key=lambda name: list(SHAPES).index(FAULTS[name].shapes[0]),
)

HEALTHY = [shape for shape in SHAPES if shape not in ("mixed", "vlan", "bond")]
"""`mixed` is a fault by itself; `vlan` and `bond` need devices that not every kernel makes, and
differ in what lies below the uplink, which no rule of one node asks for (test_shapes.py).
"""


def told(lab: Universe, node: str) -> tuple[int, set[tuple[str, str]]]:
    """(exit code, rule and node of each finding)."""
    checked = lab.flantrace("check", node, "--lab", "--json", "--no-save")
    document = json.loads(checked.stdout)
    found = {(one["rule"], one["node"]) for one in document["findings"]}
    return checked.returncode, found


@pytest.mark.parametrize("name", NAMED)
def test_the_node_in_whose_tables_a_fault_stands_names_it(shapes: Shapes, name: str) -> None:
    where = examine(read(bundle_of(name, CHECK))).findings[0].node
    node = "node-a" if name in BY_THE_OTHER_NODE else where
    lab = shapes.of(FAULTS[name].shapes[0])
    lab.lab("inject", name)
    try:
        code, found = told(lab, node)
    finally:
        lab.lab("heal")
    assert (SAME.get(name, name), where) in found
    assert code in (0, 1)


@pytest.mark.parametrize("shape", HEALTHY)
def test_every_node_of_a_healthy_lab_is_healthy_by_itself(shapes: Shapes, shape: str) -> None:
    lab = shapes.of(shape)
    for node in ("node-a", "node-b", "node-c"):
        assert told(lab, node) == (0, set())
