"""Names and addresses of a lab in each family: no root, no lab."""

import json

import pytest

from tracer.lab import flanneld, overlay, services
from tracer.lab.plan import planned
from tracer.lab.shape import PLAIN, SHAPES


def test_the_plain_lab_is_what_it_always_was() -> None:
    node = planned(3)[1]
    assert (node.pod_cidr, node.gateway, node.vtep_ip) == (
        "10.244.2.0/24", "10.244.2.1", "10.244.2.0",
    )  # fmt: skip
    assert (node.address, node.vtep_mac) == ("192.0.2.12", "36:fa:77:28:4d:8b")
    assert PLAIN.net_conf == {
        "Network": "10.244.0.0/16",
        "EnableNFTables": False,
        "Backend": {"Type": "vxlan"},
    }


def test_two_families_stand_side_by_side_with_a_device_each() -> None:
    node = planned(3, SHAPES["dual-stack"])[1]
    v4, v6 = overlay.healthy_vteps(node)
    assert (v4.backend.device, v6.backend.device) == ("flannel.1", "flannel-v6.1")
    assert (v4.local, v6.local) == ("192.0.2.12", "2001:db8::12")
    assert (v4.mtu, v6.mtu) == (1430, 1430)
    assert node.pods[0].ips == ("10.244.2.2", "fd00:10:244:2::2")
    notes = overlay.healthy_annotations(node)
    prefix = "flannel.alpha.coreos.com"
    assert json.loads(notes[f"{prefix}/backend-v6-data"]) == {"VNI": 1, "VtepMAC": v6.mac}
    assert (notes[f"{prefix}/public-ip"], notes[f"{prefix}/public-ipv6"]) == (v4.local, v6.local)


def test_ipv6_alone_has_no_annotation_of_ipv4() -> None:
    node = planned(2, SHAPES["ipv6"])[0]
    names = {key.partition("/")[2] for key in overlay.healthy_annotations(node)}
    assert names == {"backend-v6-data", "backend-type", "kube-subnet-manager", "public-ipv6"}
    with pytest.raises(KeyError):
        node.stand(4)


def test_a_prefix_with_a_word_is_joined_by_a_dash() -> None:
    assert flanneld.annotation("example.org/overlay", "public-ip") == (
        "example.org/overlay-public-ip"
    )
    assert flanneld.annotation("example.org", "public-ip") == "example.org/public-ip"


def test_a_node_of_another_backend_knows_and_is_known_by_its_like_only() -> None:
    plan = planned(4, SHAPES["mixed"])
    names = [peer.node for peer in overlay.healthy_peers(plan[0], plan)]
    assert names == ["node-b", "node-d"]
    assert overlay.healthy_peers(plan[2], plan) == ()
    notes = overlay.healthy_annotations(plan[2])
    assert notes["flannel.alpha.coreos.com/backend-type"] == "host-gw"
    assert notes["flannel.alpha.coreos.com/backend-data"] == "null"


def test_chains_of_a_service_are_named_as_kube_proxy_names_them() -> None:
    """The hash of proxier_test.go: `ns1/svc1:p80` by tcp, and its endpoint 10.180.0.1:80."""
    assert services.hashed("ns1/svc1:p80", "tcp") == "XPGD46QRK7WJZT7O"
    assert services.hashed("ns1/svc1:p80", "tcp", "10.180.0.1:80") == "SXIVWICOYRO3J4NJ"
