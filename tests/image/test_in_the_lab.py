"""Agents out of the image, on the lab's nodes, with the rights of an installation and no others."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image import container
from tests.lab.universe import Universe
from tracer.api import Bundle, diagnose, load, render
from tracer.install.privileges import capabilities
from tracer.install.settings import PATHS

pytestmark = pytest.mark.lab

PROBE = """
import json, os, pathlib
status = pathlib.Path("/proc/self/status").read_text().split()
tried = {}
for path in ("/x", "/usr/x", "/var/tmp/x", "/var/lib/cni/x", "/tmp/x"):
    try:
        open(path, "w").close(); os.unlink(path); tried[path] = True
    except OSError:
        tried[path] = False
print(json.dumps({"capabilities": status[status.index("CapEff:") + 1], "writes": tried}))
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Universe]:
    """A healthy lab."""
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    made = Universe()
    made.lab("up")
    yield made
    made.close()


@pytest.fixture
def way(root: Path, tmp_path: Path) -> str:
    """The template that starts a command in the image, on a node."""
    tmp_path.chmod(0o755)
    enter = f"{sys.executable} {container.__file__} {root} {tmp_path} --"
    return f"{sys.executable} -m tracer lab exec {{node}} -- {enter}"


def traced(lab: Universe, file: Path, *words: str) -> Bundle:
    """The recording of a trace."""
    done = lab.flantrace("--lab", *words, "pod-a", "pod-b", "--save", str(file))
    assert file.exists(), done.stderr
    return load(file)


def out_of_the_image(way: str) -> list[str]:
    return ["--node-exec", way, "--agent", "flantrace"]


def test_the_rights_are_those_of_an_installation_and_only_tmp_can_be_written(
    lab: Universe, way: str
) -> None:
    words = way.replace("{node}", "node-a").split()
    said = json.loads(lab.output([*words, "python3", "-c", PROBE]))
    wanted = sum(1 << number for number in container.CAPABILITIES.values())
    assert int(said["capabilities"], 16) == wanted
    assert [path for path, written in said["writes"].items() if written] == ["/tmp/x"]


def test_the_rights_of_these_tests_are_those_that_manifests_give() -> None:
    assert sorted(container.CAPABILITIES) == capabilities(passive_only=False, old_kernels=False)
    assert container.PATHS == PATHS


def test_the_doctor_finds_nothing_missing_in_the_image(lab: Universe, way: str) -> None:
    done = lab.flantrace("doctor", "--lab", "--json", *out_of_the_image(way))
    assert done.returncode == 0, done.stdout + done.stderr
    items = [item for place in json.loads(done.stdout)["nodes"] for item in place["items"]]
    assert [item for item in items if item["standing"] != "ok"] == []


def test_a_healthy_trace_sees_eight_hops_each_way_and_leaves_nothing_in_tmp(
    lab: Universe, way: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("recorded") / "trace.tgz"
    diagnosis = diagnose(traced(lab, file, *out_of_the_image(way)))
    assert diagnosis.verdict.outcome == "delivered"
    assert [len(path.hops) for path in diagnosis.paths] == [8] * 12
    assert list(tmp_path.iterdir()) == []


def test_an_agent_reads_all_that_one_reads_which_is_installed_on_the_node(
    lab: Universe, way: str, tmp_path: Path
) -> None:
    inside = traced(lab, tmp_path / "inside.tgz", *out_of_the_image(way))
    outside = traced(lab, tmp_path / "outside.tgz")
    assert inside.troubles == outside.troubles == ()
    for node, state in inside.nodes.items():
        assert state.not_read == outside.nodes[node].not_read
        tools = {dump.tool: bool(dump.text) for dump in state.firewall}
        assert tools == {dump.tool: bool(dump.text) for dump in outside.nodes[node].firewall}
        assert state.files == outside.nodes[node].files
        assert state.vxlan_support == outside.nodes[node].vxlan_support
    for node, report in inside.agents.items():
        assert (report.attach, report.drops, report.reasons) == (
            outside.agents[node].attach,
            outside.agents[node].drops,
            outside.agents[node].reasons,
        )


def test_a_drop_is_seen_with_its_reason_and_the_kernels_function(
    lab: Universe, way: str, tmp_path: Path
) -> None:
    lab.lab("inject", "vtepmac-annotation-stale")
    try:
        bundle = traced(lab, tmp_path / "trace.tgz", *out_of_the_image(way))
    finally:
        lab.lab("heal")
    assert diagnose(bundle).verdict.rule == "vtepmac-annotation-stale"
    text = render(bundle, "text")
    assert "OTHERHOST           node-b freed 5 of 5 in ip_rcv_core" in text


def test_the_command_itself_runs_in_the_image(root: Path) -> None:
    done = subprocess.run(
        ["chroot", str(root), "flantrace", "explain", "vtepmac-annotation-stale"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "VtepMAC" in done.stdout
