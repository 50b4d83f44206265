"""`flantrace check` and `flantrace predict` on a real lab: nothing sent, an answer all the same."""

import json

import pytest

from tests.lab.universe import Universe

pytestmark = pytest.mark.lab


def test_a_healthy_lab_is_healthy(lab: Universe) -> None:
    checked = lab.flantrace("check", "--lab", "--matrix")
    assert checked.returncode == 0, checked.stderr
    assert "HEALTHY  no fault on 3 nodes: all 6 ways between them work by the tables." in (
        checked.stdout
    )
    assert "  1 node-a  .  +  +" in checked.stdout


def test_a_prediction_is_what_then_happens(lab: Universe) -> None:
    told = json.loads(lab.flantrace("predict", "pod-a", "pod-b", "--lab", "--json").stdout)
    seen = json.loads(lab.flantrace("pod-a", "pod-b", "--lab", "--json").stdout)
    assert told["verdict"]["outcome"] == seen["verdict"]["outcome"] == "delivered"
    assert [one["agrees"] for one in seen["forecasts"]] == [True] * 4

    def points(document: dict[str, list[dict[str, list[dict[str, str]]]]]) -> list[object]:
        hops = document["paths"][0]["hops"]
        return [(hop["node"], hop["ifname"], hop["direction"]) for hop in hops]

    assert points(told) == points(seen)


def test_nothing_is_attached_for_a_prediction_or_a_check(lab: Universe) -> None:
    """No observation is in their recordings, and no point was watched."""
    for words in (("predict", "pod-a", "pod-b"), ("check",)):
        lab.flantrace(*words, "--lab", "--save", "/run/nothing.tgz")
        kept = ["tar", "xzOf", "/run/nothing.tgz", "--wildcards"]
        assert lab.output([*kept, "*/observations.jsonl"]) == ""
        lab.output(["rm", "/run/nothing.tgz"])


def test_a_check_prints_the_same_from_its_recording(lab: Universe) -> None:
    live = lab.flantrace("check", "--lab", "--save", "/run/check.tgz", "--matrix")
    again = lab.flantrace("replay", "/run/check.tgz", "--matrix")
    lab.output(["rm", "/run/check.tgz"])
    assert (again.stdout, again.returncode) == (live.stdout, live.returncode)


def test_named_nodes_are_checked_alone(lab: Universe) -> None:
    checked = lab.flantrace("check", "node-a", "node-c", "--lab")
    assert "no fault on 2 nodes: all 2 ways between them work" in checked.stdout
    unknown = lab.flantrace("check", "node-z", "--lab")
    assert unknown.returncode == 4
    assert "node node-z does not exist" in unknown.stderr


def test_without_agents_no_way_to_the_nodes_is_needed(lab: Universe) -> None:
    checked = lab.flantrace("check", "--lab", "--no-agents", "--node-exec", "false")
    assert checked.returncode == 0
    assert "no fault in what the API shows of 3 nodes" in checked.stdout


def test_a_fault_is_named_and_located_without_a_packet(lab: Universe) -> None:
    lab.lab("inject", "vtepmac-annotation-stale")
    try:
        checked = lab.flantrace("check", "--lab", "--depth", "verdict", "--no-save")
        told = lab.flantrace(
            "predict", "pod-a", "pod-b", "--lab", "--depth", "verdict", "--no-save"
        )
    finally:
        lab.lab("heal")
    assert checked.stdout == "FAULT vtepmac-annotation-stale node-b flannel.1 2/6\n"
    assert checked.returncode == told.returncode == 1
    assert told.stdout == "DROPPED vtepmac-annotation-stale node-b flannel.1 OTHERHOST\n"
