"""Saved state that is not what it should be: missing, broken, of another shape. Never a crash."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import state
from tests.capture.files import pcap, run, split, written
from tests.capture.saved_state import write_all
from tracer.bundle import codec
from tracer.capture.collecting import Capture
from tracer.capture.imported import imported
from tracer.capture.kubectl import cluster_state
from tracer.capture.node_files import node_state
from tracer.core.diagnose import diagnose
from tracer.errors import FlantraceError
from tracer.model.state import NodeState

PARTS = ("link.json", "addr.json", "route4.json", "rule4.json", "neigh.json", "fdb.json")


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    return write_all(folder)


def test_what_was_written_is_read_back(saved: Path) -> None:
    read, meant = node_state(saved / "node-a", "node-a"), state("node-a")
    assert read.addresses == meant.addresses
    assert read.neighbours == meant.neighbours
    assert read.fdb[:2] == meant.fdb
    assert [(one.destination, one.gateway, one.onlink) for one in read.routes] == [
        (one.destination, one.gateway, one.onlink) for one in meant.routes
    ]
    assert [(one.ifname, one.master, one.vxlan) for one in read.links] == [
        (one.ifname, one.master, one.vxlan) for one in meant.links
    ]
    assert read.captured_at == "2026-11-23T03:12:07.000+00:00"
    assert read.monotonic_ns == 1_795_403_527_000_000_000


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize(
    "text", ["", "[", "{}", '"x"', "[1]", '[{"ifname":[]}]', "\xff", "[" * 99999]
)
def test_a_broken_file_is_not_read(name: str, text: str, saved: Path) -> None:
    (saved / "node-a" / name).write_bytes(text.encode("latin-1"))
    read = node_state(saved / "node-a", "node-a")
    assert any(name in gap.why for gap in read.not_read) or text in ('[{"ifname":[]}]',)


def test_an_older_iproute2_says_names_in_place_of_numbers(saved: Path) -> None:
    routes = [
        {"dst": "default", "gateway": "192.0.2.1", "dev": "eth0", "protocol": "dhcp"},
        {"dst": "10.9.0.0/16", "dev": "eth0", "table": "mine", "protocol": "static"},
        {"dst": "10.8.0.1", "dev": "eth0", "table": "local", "type": "local", "scope": "host"},
        {},
    ]
    (saved / "node-a" / "route4.json").write_text(json.dumps(routes))
    read = node_state(saved / "node-a", "node-a").routes
    assert [(one.destination, one.table, one.protocol, one.kind) for one in read] == [
        ("0.0.0.0/0", 254, 16, "unicast"),
        ("10.8.0.1/32", 255, 3, "local"),
    ]


def test_kubectl_s_files_may_be_missing_or_broken(tmp_path: Path) -> None:
    (tmp_path / "nodes.json").write_text("error: the server is not there")
    (tmp_path / "pods.json").write_text('{"items": 5}')
    cluster, troubles = cluster_state(tmp_path)
    assert (cluster.nodes, cluster.pods, cluster.net_conf) == ((), (), None)
    assert [trouble.what.split()[0] for trouble in troubles] == [
        "nodes.json", "pods.json", "configmaps.json",
    ]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    found = [path] if path else []
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, inner in items:
        found += places(inner, (*path, key))
    return found


ODD = st.sampled_from(
    [None, True, -1, 1 << 70, 1.5, "", "x", "10.0.0.0/99", "::", [], [None], {}, {"a": 1}, "\ud800"]
)


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_no_value_in_any_file_crashes_the_diagnosis(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_all(folder)
        files = [*(folder / "node-a").glob("*.json"), *folder.glob("*.json")]
        for _ in range(data.draw(st.integers(1, 3))):
            path = data.draw(st.sampled_from(sorted(files)))
            value = json.loads(path.read_text())
            *way, last = data.draw(st.sampled_from(places(value)))
            holder = value
            for key in way:
                holder = holder[key]
            holder[last] = data.draw(ODD)
            path.write_text(json.dumps(value))
        captures = [
            Capture(node, written(folder, f"{node}.pcap", pcap(mine)))
            for node, mine in split(run(2)).items()
        ]
        ends = data.draw(st.sampled_from([(None, None), ("pod-a", "pod-b"), ("10.244.1.2", None)]))
        try:
            bundle = imported(captures, folder, *ends)
        except FlantraceError:
            return
        diagnose(bundle)
        for one in bundle.nodes.values():
            assert codec.read(codec.line(one), NodeState) == one
