"""How kube-controller-manager gives pod CIDRs, from its command line and from its manifest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.builders import cluster, state
from tracer.core.controller import (
    MANIFEST,
    controller_manager,
    controller_managers,
    flags,
    reduced,
)

KUBEADM = """apiVersion: v1
kind: Pod
metadata:
  labels: {component: kube-controller-manager}
spec:
  containers:
  - command:
    - kube-controller-manager
    - --allocate-node-cidrs=true
    - --authentication-kubeconfig=/etc/kubernetes/controller-manager.conf
    # - --cluster-cidr=10.9.0.0/16
    - --cluster-cidr=10.244.0.0/16,fd00:10:244::/56   # --cluster-cidr=10.8.0.0/16
    - --root-ca-file=/etc/kubernetes/pki/ca.crt
    - --node-cidr-mask-size=24
    - --service-cluster-ip-range=10.96.0.0/12
    env:
    - {name: TOKEN, value: s3cr3t}
"""
BOTH = "--cluster-cidr=10.244.0.0/16,fd00:10:244::/56\n--allocate-node-cidrs=true\n"


def test_of_a_manifest_two_flags_are_kept_and_nothing_else() -> None:
    assert reduced(KUBEADM) == BOTH
    assert reduced(reduced(KUBEADM)) == BOTH


@pytest.mark.parametrize(
    "command",
    [
        '["kube-controller-manager", "--allocate_node_cidrs", "--cluster_cidr=10.244.0.0/16"]',
        "\n- '--allocate-node-cidrs=true'\n- --cluster-cidr\n- 10.244.0.0/16",
        "\n- --cluster-cidr=10.1.0.0/16\n- --allocate-node-cidrs=true\n"
        '- "--cluster-cidr=10.244.0.0/16"',
        "['sh', '-c', 'exec kube-controller-manager --allocate-node-cidrs=true"
        " --cluster-cidr=10.244.0.0/16 --v=2']",
    ],
)
def test_a_manifest_may_be_written_in_many_ways(command: str) -> None:
    assert reduced(f"command: {command}\n") == (
        "--cluster-cidr=10.244.0.0/16\n--allocate-node-cidrs=true\n"
    )


def test_a_manifest_without_the_flags_says_so_by_an_empty_text() -> None:
    assert reduced("- kube-controller-manager\n- --cluster-name=x\n- --cluster-cidrs=1\n") == ""


def test_the_flags_become_a_record() -> None:
    found = controller_manager("manifest", "node-a", BOTH.splitlines())
    assert found.cluster_cidrs == ("10.244.0.0/16", "fd00:10:244::/56")
    assert found.allocate_node_cidrs is True


@pytest.mark.parametrize(
    ("argument", "means"),
    [("--allocate-node-cidrs=false", False), ("--allocate-node-cidrs=T", True), ("--v=1", None)],
)
def test_a_switch_that_is_not_given_is_not_known(argument: str, *, means: bool | None) -> None:
    found = controller_manager("pod", None, ("kube-controller-manager", argument))
    assert (found.allocate_node_cidrs, found.cluster_cidrs) == (means, ())


def test_a_pod_of_the_api_counts_before_the_manifest_of_its_node() -> None:
    pod = controller_manager("pod kube-system/x", "node-a", ["--cluster-cidr=10.244.0.0/16"])
    nodes = [replace(state(name), files={MANIFEST: BOTH}) for name in ("node-a", "node-b")]
    found = controller_managers(cluster(controller_managers=(pod,)), [*nodes, state("node-c")])
    assert [(one.source, one.node) for one in found] == [
        ("pod kube-system/x", "node-a"),
        (f"node-b {MANIFEST}", "node-b"),
    ]
    assert controller_managers(cluster(), [state("node-a")]) == ()


@given(st.text(max_size=80), st.lists(st.text(max_size=30), max_size=5))
def test_no_text_breaks_it(manifest: str, arguments: list[str]) -> None:
    assert len(reduced(manifest).splitlines()) <= 2
    controller_manager("x", None, (*arguments, *flags(arguments)))
