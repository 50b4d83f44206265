"""Recordings come from strangers: an address in their tables may be none."""

import pytest

from tests.builders import bundle, mac, request, state
from tests.changes import with_fdb, with_vxlan
from tests.core.examine.test_examine import checked
from tracer.core.diagnose import diagnose
from tracer.core.examine import examine
from tracer.model.path import Outcome
from tracer.model.state import NodeState

A, B = "node-a", "node-b"
NONE = "192:0.2.12"
BROKEN = (with_fdb(state(A), mac(B), NONE), with_vxlan(state(A), local=NONE))


@pytest.mark.parametrize("node", BROKEN, ids=("fdb", "local address"))
def test_an_address_that_is_none_makes_a_prediction_unknown_and_no_traceback(
    node: NodeState,
) -> None:
    told = diagnose(
        bundle(node, request=request(predict=True), observations=(), sent=(), agents={})
    )
    assert told.verdict.outcome in (Outcome.UNKNOWN, Outcome.DROPPED, Outcome.LOST)
    assert told.verdict.exit_code != 0


@pytest.mark.parametrize("node", BROKEN, ids=("fdb", "local address"))
def test_and_a_check_says_which_rules_could_not_be_asked(node: NodeState) -> None:
    examination = examine(checked(node))
    assert examination.exit_code != 0
    assert any(NONE in one.missing for one in examination.skipped) or examination.findings
