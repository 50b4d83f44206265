"""The firewall tools are asked with patience that ends."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tracer.collect import firewall
from tracer.model.state import FirewallDump, NotRead


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH."""
    monkeypatch.setattr(firewall, "_PATH", str(tmp_path))
    return tmp_path


def install(tools: Path, name: str, script: str) -> None:
    path = tools / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def dumps() -> Sequence[FirewallDump | NotRead]:
    with ThreadPoolExecutor(2) as executor:
        return [one.result() for one in firewall.start(executor)]


def of(tool: str) -> FirewallDump | NotRead:
    return next(
        one for one in dumps() if (one.tool if isinstance(one, FirewallDump) else one.what) == tool
    )


@pytest.mark.usefixtures("tools")
def test_a_tool_that_is_not_there_is_not_read() -> None:
    assert of("nft -j list ruleset") == NotRead(what="nft -j list ruleset", why="not installed")


def test_what_a_tool_prints_is_kept_as_it_is(tools: Path) -> None:
    install(tools, "nft", 'echo "$*"')
    dump = of("nft -j list ruleset")
    assert isinstance(dump, FirewallDump)
    assert dump.text == "-j list ruleset\n"


def test_a_tool_that_fails_is_not_read_in_its_own_words(tools: Path) -> None:
    install(tools, "iptables-nft-save", "echo half; echo 'Operation not permitted' >&2; exit 4")
    assert of("iptables-nft-save") == NotRead(
        what="iptables-nft-save", why="Operation not permitted"
    )


def test_a_tool_that_hangs_is_given_up(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firewall, "TIMEOUT_S", 0.2)
    install(tools, "nft", "while :; do :; done")
    began = time.monotonic()
    assert of("nft -j list ruleset") == NotRead(
        what="nft -j list ruleset", why="no end after 0.2 s"
    )
    assert time.monotonic() - began < 4


def test_a_flood_is_not_kept(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firewall, "BYTES_PER_DUMP", 100)
    install(tools, "nft", "head -c 101 /dev/zero")
    assert of("nft -j list ruleset") == NotRead(
        what="nft -j list ruleset", why="101 bytes, too many to keep"
    )


def test_where_only_one_variant_is_installed_it_is_asked_by_its_plain_name(tools: Path) -> None:
    install(tools, "iptables-save", "echo plain")
    assert of("iptables-save") == FirewallDump(tool="iptables-save", text="plain\n")


def test_legacy_tables_that_exist_are_dumped_and_else_the_tool_is_let_be(
    tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tools, "iptables-legacy-save", "echo '*filter'")
    tables = tmp_path / "ip_tables_names"
    monkeypatch.setitem(firewall._LEGACY, "iptables-legacy-save", str(tables))
    assert of("iptables-legacy-save") == FirewallDump(tool="iptables-legacy-save", text="")
    tables.write_text("filter\n")
    assert of("iptables-legacy-save") == FirewallDump(tool="iptables-legacy-save", text="*filter\n")
