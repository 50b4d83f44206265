"""Looking for the size that passes: from a bracket to two neighbours, in few rounds."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.builders import bundle
from tests.cases import bundle_of
from tests.packets import UPLINK_OUT, journey, ping
from tracer.bundle.archive import read
from tracer.core.ladder import RUNGS, Bracket, bracket
from tracer.model.bundle import Bundle
from tracer.model.path import Way
from tracer.model.request import ProbeKind, ProbePlan

NOT_BY_SIZE = ("nsx-intercepts-8472", "cloud-sg-8472", "healthy", "healthy-udp", "fdb-missing")


def recorded(name: str) -> Bundle:
    return read(bundle_of(name))


@given(st.integers(84, 9_000), st.integers(0, 8_950))
def test_any_size_is_found_to_the_byte_in_four_rounds(passes: int, more: int) -> None:
    found = Bracket(way=Way.REQUEST, passed=84, lost=passes + more + 1)
    for _ in range(4):
        rungs = found.rungs()
        assert len(rungs) <= RUNGS
        assert all(found.passed < rung < found.lost for rung in rungs)
        found = Bracket(
            way=Way.REQUEST,
            passed=max([found.passed, *(rung for rung in rungs if rung <= passes)]),
            lost=min([found.lost, *(rung for rung in rungs if rung > passes)]),
        )
    assert (found.passed, found.lost) == (passes, passes + 1)


def test_neighbours_leave_nothing_to_try() -> None:
    assert Bracket(way=Way.REQUEST, passed=1350, lost=1351).rungs() == ()


def test_a_recording_of_a_narrow_link_ends_with_neighbours() -> None:
    found = bracket(recorded("underlay-mtu-blackhole"))
    assert found == Bracket(way=Way.REQUEST, passed=1350, lost=1351)


def test_before_further_sizes_were_tried_the_two_probes_are_the_bracket() -> None:
    whole = recorded("underlay-mtu-blackhole")
    plan = whole.traced.plan
    assert plan is not None
    first = tuple(one for one in whole.sent if one.seq <= plan.count + 1)
    shorter = replace(
        whole, sent=first, request=replace(whole.traced, plan=replace(plan, sizes=()))
    )
    found = bracket(shorter)
    assert found is not None
    assert found.lost <= 1450


def test_where_nothing_or_everything_passes_size_is_no_question() -> None:
    assert [bracket(recorded(name)) for name in NOT_BY_SIZE] == [None] * len(NOT_BY_SIZE)


def test_a_plan_of_one_size_asks_for_no_other() -> None:
    only = ProbePlan(kind=ProbeKind.ICMP, size=1400, full_mtu=False)
    lost = bundle(observations=journey(ping(), last=UPLINK_OUT))
    assert bracket(replace(lost, request=replace(lost.traced, plan=only))) is None
