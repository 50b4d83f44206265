"""What a check says where nothing may run on nodes, and the API contradicts itself."""

import pytest
from msgspec.structs import replace

from tests.cases import CHECK, bundle_of
from tracer.bundle.archive import read
from tracer.core.examine import examine
from tracer.model.bundle import Bundle
from tracer.model.diagnosis import Severity
from tracer.model.examination import Examination

BY_THE_API = {
    "annotations-missing",
    "backend-type-mixed",
    "duplicate-podcidr",
    "other-cni-config",
    "podcidr-not-assigned",
    "podcidr-outside-network",
    "public-ip-duplicate",
    "vtepmac-duplicate",
}


def api_alone(name: str) -> Bundle:
    """The recording of a check as `--no-agents` makes it."""
    whole = read(bundle_of(name, CHECK))
    asked = whole.check
    assert asked is not None
    return replace(whole, nodes={}, agents={}, check=replace(asked, agents=False))


def worries(examination: Examination) -> set[str]:
    return {one.rule for one in examination.findings if one.severity is not Severity.INFO}


@pytest.mark.parametrize("name", sorted(BY_THE_API))
def test_what_the_api_shows_is_named_without_any_node(name: str) -> None:
    examination = examine(api_alone(name))
    assert worries(examination) == {name}
    assert examination.exit_code in (0, 1)


@pytest.mark.parametrize("name", ["healthy", "healthy-ipv6", "healthy-dual-stack", "fdb-missing"])
def test_what_it_does_not_show_is_not_guessed(name: str) -> None:
    examination = examine(api_alone(name))
    assert worries(examination) == set()
    assert examination.sentence == "no fault in what the API shows of 3 nodes."


def test_another_vni_in_the_leases_is_named_from_the_leases() -> None:
    whole = api_alone("healthy")
    first, *others = whole.cluster.nodes
    data = "flannel.alpha.coreos.com/backend-data"
    told = first.annotations[data].replace('"VNI":1', '"VNI":7')
    odd = replace(first, annotations={**first.annotations, data: told})
    bundle = replace(whole, cluster=replace(whole.cluster, nodes=(odd, *others)))
    (finding,) = examine(bundle).findings
    assert (finding.rule, finding.node) == ("vni-mismatch", first.name)


def test_what_is_not_checked_is_said_once_for_all_nodes() -> None:
    assert {one.missing for one in examine(api_alone("healthy")).skipped} == {
        "state of the nodes: nothing was to run on them"
    }


def test_a_node_that_could_not_be_read_is_held_by_its_lease() -> None:
    whole = read(bundle_of("vtepmac-duplicate", CHECK))
    left = {name: state for name, state in whole.nodes.items() if name == "node-c"}
    assert "vtepmac-duplicate" in worries(examine(replace(whole, nodes=left)))
