"""The doctor visits the lab: everything is there, until something is taken from one node."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.lab.universe import Universe

pytestmark = pytest.mark.lab

IN_NODE = f"{sys.executable} -m tracer lab exec"

ONE_IS_POOR = f"""#!/bin/sh
node=$1
shift
case $node in
node-b) exec {IN_NODE} $node -- setpriv --bounding-set=-perfmon,-sys_admin "$@" ;;
*) exec {IN_NODE} $node -- "$@" ;;
esac
"""


def asked(lab: Universe, *words: str) -> dict[str, Any]:
    done = lab.flantrace("doctor", "--lab", "--json", *words)
    assert done.stdout, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    assert document["exit_code"] == done.returncode
    return document


def test_a_healthy_lab_lacks_nothing(lab: Universe) -> None:
    document = asked(lab)
    assert document["sentence"] == "flantrace can trace on all 3 nodes."
    items = [item for place in document["nodes"] for item in place["items"]]
    assert {item["standing"] for item in items} == {"ok"}


def test_flannel_is_found_in_its_version_with_its_backend(lab: Universe) -> None:
    said = {one["name"]: one["said"] for one in asked(lab, "node-a")["operator"]["items"]}
    assert said["flannel"].startswith("v0.28")
    assert "in namespace kube-flannel, backend vxlan" in said["flannel"]


def test_a_right_that_is_taken_from_one_node_is_named_for_that_node_alone(
    lab: Universe, tmp_path: Path
) -> None:
    script = tmp_path / "enter"
    script.write_text(ONE_IS_POOR)
    script.chmod(0o755)
    document = asked(lab, "--node-exec", f"{script} {{node}}")
    assert document["exit_code"] == 1
    assert document["sentence"].startswith(
        "flantrace cannot trace on node-b: the agent lacks CAP_PERFMON"
    )
    assert document["sentence"].endswith("It can on node-a and node-c.")


def test_flanneld_that_left_nothing_on_a_node_is_missed_there(lab: Universe) -> None:
    moved = "/run/flannel/subnet.env"
    lab.lab("exec", "node-c", "--", "mv", moved, f"{moved}.gone")
    try:
        document = asked(lab)
    finally:
        lab.lab("exec", "node-c", "--", "mv", f"{moved}.gone", moved)
    assert document["sentence"] == (
        "flantrace can trace on all 3 nodes, with less on node-c: no /run/flannel/subnet.env."
    )
