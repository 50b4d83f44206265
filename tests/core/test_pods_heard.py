"""No pod is missed because the API and a node's state are of two moments."""

from msgspec.structs import replace

from tests.builders import state
from tracer.core.pods_heard import UNDER_WAY_NS, PodsHeard
from tracer.model.cluster import Pod
from tracer.model.state import NodeState, NotRead

S = 1_000_000_000
IP = "10.244.1.7"
POD = Pod(namespace="shop", name="web", node="node-a", ips=(IP,), phase="Running")
OTHER_GAP = NotRead(what="host-local", why="no such file")


def lacking() -> NodeState:
    gaps = (OTHER_GAP, NotRead(what=f"pod {IP}", why="no namespace has it"))
    return replace(state("node-a"), not_read=gaps)


def missed(heard: PodsHeard, now: int, read: int) -> bool:
    (found,) = heard.judged(now, [(lacking(), read)]).values()
    assert OTHER_GAP in found.not_read
    return len(found.not_read) == 2


def test_a_pod_that_the_api_has_and_the_node_has_not_is_missed() -> None:
    heard = PodsHeard()
    heard.learn(S, None, POD)
    assert missed(heard, 9 * S, 5 * S)
    assert not heard.waits


def test_what_was_read_just_now_is_judged_a_moment_later() -> None:
    heard = PodsHeard()
    heard.learn(S, None, POD)
    assert not missed(heard, 5 * S + UNDER_WAY_NS - 1, 5 * S)
    assert heard.waits
    assert missed(heard, 5 * S + UNDER_WAY_NS, 5 * S)
    assert not heard.waits


def test_a_state_of_before_the_pod_was_heard_of_says_nothing_of_it() -> None:
    heard = PodsHeard()
    heard.learn(6 * S, None, POD)
    assert not missed(heard, 9 * S, 5 * S)
    heard.learn(7 * S, POD, replace(POD, phase="Pending"))
    assert missed(heard, 12 * S, 10 * S)


def test_a_pod_that_the_api_has_taken_back_is_missed_by_nobody() -> None:
    heard = PodsHeard()
    heard.learn(S, None, POD)
    heard.learn(6 * S, POD, None)
    assert heard.every() == ()
    assert not missed(heard, 9 * S, 5 * S)


def test_a_pod_that_came_again_with_its_address_is_a_new_one() -> None:
    heard = PodsHeard()
    heard.learn(S, None, POD)
    heard.learn(6 * S, POD, None)
    heard.learn(7 * S, None, POD)
    assert heard.of("node-a") == (POD,)
    assert not missed(heard, 9 * S, 5 * S)
