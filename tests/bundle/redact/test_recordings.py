"""Whole recordings: the same diagnosis, and nothing of what was to go."""

import io
import json
import random
import re
import tarfile
from base64 import b64decode
from collections.abc import Iterator
from functools import cache
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.bundle.redact.overlay6 import overlay6
from tests.bundle.redact.secretive import SECRETS, WORKER, secretive
from tests.cases import bundle_of, names
from tests.core.test_torn_recordings import TEARS
from tracer.bundle.archive import packed, read, write
from tracer.bundle.redact import redacted
from tracer.bundle.redact.addresses import Addresses
from tracer.bundle.redact.known import subnets
from tracer.bundle.redact.macs import Macs
from tracer.bundle.redact.secret import Secret
from tracer.core.controller import MANIFEST
from tracer.core.diagnose import diagnose
from tracer.core.words import trace_command
from tracer.errors import UsageError
from tracer.model.bundle import Bundle
from tracer.model.cluster import ControllerManager, Service
from tracer.model.path import Path as PacketPath
from tracer.model.request import CheckRequest
from tracer.model.state import Lookup

KEYS = (b"second key of ours", b"third key of ours", b"fourth key of ours")
"""None of them maps 10.244.0.0/16 onto itself, as one key in 256 does."""
ADDRESS = re.compile(
    r"(?<![\w.:])(?:[0-9]+(?:\.[0-9]+){3}|[0-9a-f]*:[0-9a-f:]*:[0-9a-f.]*)(?![\w:])"
)
MAC = re.compile("[0-9a-f]{2}(?::[0-9a-f]{2}){5}")


def texts(bundle: Bundle) -> str:
    """All files of the archive, their names too; the frames are not among them."""
    found = []
    with tarfile.open(fileobj=io.BytesIO(packed(bundle))) as archive:
        for member in archive:
            file = archive.extractfile(member)
            assert file is not None
            found += [member.name, re.sub('"headers":"[^"]*"', "", file.read().decode())]
    return "\n".join(found)


def frames(bundle: Bundle) -> bytes:
    """All frames as they stand in the archive, one behind the other."""
    with tarfile.open(fileobj=io.BytesIO(packed(bundle))) as archive:
        member = next(one for one in archive if one.name.endswith("observations.jsonl"))
        file = archive.extractfile(member)
        assert file is not None
        lines = file.read().splitlines()
    return b"|".join(b64decode(json.loads(line)["headers"]) for line in lines)


def outcome(bundle: Bundle) -> object:
    """All of a diagnosis that has no name, address or MAC in it."""
    found = diagnose(bundle)
    verdict = found.verdict
    return (
        (verdict.outcome, verdict.rule, verdict.exit_code, verdict.way, verdict.reason),
        verdict.device,
        [(finding.rule, finding.explains, len(finding.evidence)) for finding in found.findings],
        [shape(path) for path in found.paths],
        found.tallies,
        [skip.rule for skip in found.skipped],
        len(found.timeline),
    )


def shape(path: PacketPath) -> object:
    hops = [
        (hop.device, hop.direction, hop.ifname, hop.length, hop.times, hop.drop,
         [(entry.table, entry.mark) for entry in hop.entries])
        for hop in path.hops
    ]  # fmt: skip
    return path.way, path.seq, path.size, path.outcome, hops, len(path.not_reached)


@cache
def case(name: str) -> Bundle:
    return read(bundle_of(name))


@pytest.mark.parametrize("name", names())
def test_the_diagnosis_is_the_same(name: str) -> None:
    assert outcome(redacted(case(name))) == outcome(case(name))
    assert outcome(redacted(case(name), KEYS[0])) == outcome(case(name))


@pytest.mark.parametrize("name", names())
def test_so_it_is_of_a_torn_recording(name: str) -> None:
    dice = random.Random(name)
    for tear in TEARS:
        torn = tear(case(name), dice)
        assert outcome(redacted(torn)) == outcome(torn), tear.__name__


@pytest.mark.parametrize("name", names())
def test_no_name_remains(name: str) -> None:
    bundle = case(name)
    known = {node.name for node in bundle.cluster.nodes} | set(bundle.nodes)
    known |= {pod.name for pod in bundle.cluster.pods}
    known |= {pod.name for pod in bundle.cluster.flannel_pods}
    known |= {state.hostname for state in bundle.nodes.values()}
    known |= {bundle.traced.source.name.rpartition("/")[2], bundle.cluster.server or "-"}
    for state in bundle.nodes.values():
        known |= {path.rpartition("/")[2] for path in state.files if "/cni/flannel/" in path}
    said = texts(redacted(bundle))
    left = {one for one in known if re.search(rf"(?<![\w.-]){re.escape(one)}(?![\w-])", said)}
    assert left == set()
    assert "node-a" in known


def images(bundle: Bundle, key: bytes) -> tuple[Addresses, Macs]:
    secret = Secret(key)
    macs = Macs(secret)
    return Addresses(secret, macs, subnets(bundle)), macs


def found_addresses(text: str) -> set[str]:
    found = set()
    for match in ADDRESS.finditer(text):
        try:
            found.add(str(ip_address(match.group().rstrip("."))))
        except ValueError:
            continue
    return found


@pytest.mark.parametrize("name", names())
def test_no_address_and_no_mac_remains(name: str) -> None:
    """One that is another's image cannot be told from it; under some key each is none."""
    bundle = case(name)
    addresses, macs = (
        find(texts(bundle)) for find in (found_addresses, lambda t: set(MAC.findall(t)))
    )
    assert len(addresses) > 20
    unchecked = {*addresses, *macs}
    for key in KEYS:
        by_address, by_mac = images(bundle, key)
        ours = {one: by_address.ip(one) for one in addresses} | {
            one: by_mac.text(one) for one in macs
        }
        wanted = {one for one in ours if one not in ours.values()}
        after = redacted(bundle, key)
        said, sent = texts(after), frames(after)
        left = wanted & (found_addresses(said) | set(MAC.findall(said)))
        assert left == set()
        for one in wanted:
            raw = bytes.fromhex(one.replace(":", "")) if one in macs else ip_address(one).packed
            assert raw not in sent, one
        unchecked -= wanted
    assert all(by_address.ip(one) == one for one in unchecked - macs)
    assert all(by_mac.text(one) == one for one in unchecked & macs)


@pytest.mark.parametrize("name", ["healthy", "healthy-udp", "healthy-tcp"])
def test_no_payload_remains(name: str) -> None:
    assert b"flantrace" not in frames(redacted(case(name)))
    assert name != "healthy" or b"flantrace" in frames(case(name))


def test_one_key_one_result_and_none_another_each_time() -> None:
    bundle = case("healthy")
    assert redacted(bundle, KEYS[0]) == redacted(bundle, KEYS[0])
    assert redacted(bundle) != redacted(bundle)


def test_with_one_key_two_recordings_agree() -> None:
    before, after = (
        redacted(case(name), KEYS[0]) for name in ("vtepmac-annotation-stale", "healthy")
    )
    assert before.traced.source == after.traced.source
    assert [node.name for node in before.cluster.nodes] == [
        node.name for node in after.cluster.nodes
    ]
    macs = [
        {link.mac for state in one.nodes.values() for link in state.links}
        for one in (before, after)
    ]
    assert len(macs[0] & macs[1]) > 5


@pytest.mark.parametrize("key", [b"", b"fifteen bytes.."])
def test_a_key_that_could_be_guessed_is_refused(key: bytes) -> None:
    with pytest.raises(UsageError, match="could be guessed"):
        redacted(case("healthy"), key)


def test_twice_is_no_worse_than_once() -> None:
    bundle = case("vtepmac-annotation-stale")
    assert outcome(redacted(redacted(bundle))) == outcome(bundle)


def test_a_redacted_recording_says_so_on_disk_and_in_its_diagnosis(tmp_path: Path) -> None:
    bundle = redacted(case("healthy"))
    write(bundle, tmp_path / "a.tgz")
    assert read(tmp_path / "a.tgz") == bundle
    assert bundle.redacted
    assert not case("healthy").redacted
    assert diagnose(bundle).notes[0].startswith("Names, addresses and MACs in this recording were")


def test_the_given_recording_is_left_alone() -> None:
    before = packed(case("healthy"))
    redacted(case("healthy"))
    assert packed(case("healthy")) == before


@pytest.mark.parametrize("key", [None, KEYS[0]])
def test_what_other_programs_and_people_wrote_does_not_get_out(key: bytes | None) -> None:
    after = redacted(secretive(), key)
    said = texts(after)
    left = [secret for secret in SECRETS if secret.lower() in said.lower()]
    assert left == []
    before = texts(secretive()).lower()
    assert [secret for secret in SECRETS if secret.lower() not in before] == []


def test_and_the_diagnosis_of_that_recording_is_the_same() -> None:
    assert outcome(redacted(secretive())) == outcome(secretive())


@pytest.mark.parametrize("stale", [False, True])
def test_an_ipv6_overlay_is_diagnosed_the_same(stale: bool) -> None:
    bundle = overlay6(stale=stale)
    after = redacted(bundle)
    assert outcome(after) == outcome(bundle)
    assert diagnose(bundle).verdict.rule == ("neigh-stale-one-node" if stale else None)
    assert "2a01:4f8" not in texts(after)
    assert "fd00:10:244" not in texts(after)
    assert ip_address(after.cluster.nodes[0].internal_ips[0]) in ip_network("4000::/3")


def values_of(bundle: Bundle) -> Iterator[str]:
    for state in bundle.nodes.values():
        yield from state.files
        yield from state.files.values()
        yield from (dump.text for dump in state.firewall)


def test_what_a_program_reads_can_still_be_read() -> None:
    after = redacted(secretive())
    for text in values_of(after):
        if text.startswith("{"):
            json.loads(text)
    data = after.cluster.nodes[0].annotations
    assert set(data) == {
        "prefix-1/prefix-2-backend-data",
        "prefix-1/prefix-2-backend-type",
        "prefix-1/prefix-2-kube-subnet-manager",
        "prefix-1/prefix-2-public-ip",
    }


def test_troubles_are_still_understood() -> None:
    after = redacted(secretive())
    assert [trouble.what for trouble in after.troubles] == [
        "no agent could be started on node-3: ssh: Could not resolve hostname [removed]: Name or"
        " service not known",
        "probes from " + after.traced.source.ip + " cannot be sent: Operation not permitted",
    ]
    assert after.troubles[0].node == "node-3"


def test_an_end_that_is_called_by_its_address_still_is() -> None:
    plain = case("healthy")
    end = replace(plain.traced.source, name=plain.traced.source.ip)
    after = redacted(replace(plain, request=replace(plain.traced, source=end)))
    assert after.traced.source.name == after.traced.source.ip != end.ip
    assert f"flantrace {after.traced.source.ip} " in trace_command(after.traced)


def test_a_check_is_redacted_as_a_trace_is() -> None:
    plain = secretive()
    source = f"pod kube-system/kube-controller-manager-{WORKER}"
    manager = ControllerManager(source=source, node=WORKER, cluster_cidrs=("10.244.0.0/16",))
    service = Service(namespace="payroll", name="ledger-db", endpoints=("10.244.2.2",))
    state = replace(
        plain.nodes["node-a"],
        files={MANIFEST: "--cluster-cidr=10.244.0.0/16\n--allocate-node-cidrs=true\n"},
        lookups=(Lookup(dst="91.241.7.5", iif="wg-acme", error="Network is unreachable"),),
    )
    after = redacted(
        replace(
            plain,
            request=None,
            check=CheckRequest(nodes=(WORKER, "node-a")),
            cluster=replace(plain.cluster, controller_managers=(manager,), services=(service,)),
            nodes={"node-a": state},
        )
    )
    assert not [secret for secret in SECRETS if secret in texts(after)]
    (found,) = after.cluster.controller_managers
    assert after.check is not None
    assert found.node == after.check.nodes[0]
    assert found.source == "pod kube-system/kube-controller-manager-1"
    net = found.cluster_cidrs[0]
    (read,) = after.nodes.values()
    assert read.files == {MANIFEST: f"--cluster-cidr={net}\n--allocate-node-cidrs=true\n"}
    assert read.lookups[0].error == "Network is unreachable"
    assert read.lookups[0].dst != "91.241.7.5"
