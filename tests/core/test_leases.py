"""flannel's annotations, read as flannel reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.builders import PREFIX, api_node, cluster, state
from tracer.core.leases import NET_CONF_FILES, NetConfRead, leases, net_conf, node_net_confs
from tracer.model.cluster import ClusterState, NetConf, Node
from tracer.model.lease import Lease


def lease_of(node: Node) -> Lease:
    """The node's lease in a cluster that has another, healthy node."""
    found, _ = leases(ClusterState(captured_at="", nodes=(node, api_node("node-c"))))
    return found


def test_a_healthy_node_publishes_what_its_peers_need() -> None:
    assert lease_of(api_node("node-b")) == Lease(
        node="node-b",
        family=4,
        pod_cidr="10.244.2.0/24",
        backend_type="vxlan",
        vni=1,
        vtep_mac="02:f1:00:00:00:02",
        public_ip="192.0.2.12",
        source=f"Node/node-b {PREFIX}/backend-data",
    )


@pytest.mark.parametrize(
    ("data", "vni", "mac"),
    [
        ('{"VtepMAC":"02:F1:00:00:00:02"}', None, "02:f1:00:00:00:02"),
        ('{"vni":7,"VTEPmac":"02-f1-00-00-00-02"}', 7, "02:f1:00:00:00:02"),
        ('{"VNI":1,"VtepMAC":"02f1.0000.0002","Other":[1]}', 1, "02:f1:00:00:00:02"),
    ],
    ids=["old flannel without VNI", "keys and MAC in another case", "dotted MAC"],
)
def test_forms_that_flannel_accepts_are_read(data: str, vni: int | None, mac: str) -> None:
    lease = lease_of(api_node("node-b", backend_data=data))
    assert (lease.vni, lease.vtep_mac, lease.defect) == (vni, mac, None)


@pytest.mark.parametrize(
    ("annotations", "defect"),
    [
        ({"kube_subnet_manager": ""}, "it lacks the annotation kube-subnet-manager=true"),
        ({"kube_subnet_manager": "True"}, "it lacks the annotation kube-subnet-manager=true"),
        ({"backend_type": ""}, "it lacks the annotation backend-type"),
        ({"backend_type": "host-gw", "backend_data": "null"}, "its backend is host-gw, not vxlan"),
        ({"backend_type": "wireguard"}, "its backend is wireguard, not vxlan"),
        ({"backend_data": ""}, "it lacks the annotation backend-data"),
        ({"backend_data": "null"}, "backend-data is null: it holds no VtepMAC"),
        ({"backend_data": "{"}, "backend-data is not JSON"),
        ({"backend_data": "[" * 100_000}, "backend-data is not JSON"),
        ({"backend_data": "[1]"}, "backend-data is not a JSON object"),
        ({"backend_data": '{"VNI":1}'}, "backend-data holds no valid VtepMAC"),
        ({"backend_data": '{"VtepMAC":"02:f1:00:00:00"}'}, "backend-data holds no valid VtepMAC"),
        (
            {"backend_data": '{"VNI":-1,"VtepMAC":"02:f1:00:00:00:02"}'},
            "backend-data holds no valid VNI",
        ),
        (
            {"backend_data": '{"VNI":"1","VtepMAC":"02:f1:00:00:00:02"}'},
            "backend-data holds no valid VNI",
        ),
        ({"public_ip": ""}, "it lacks the annotation public-ip"),
        ({"public_ip": "2001:db8::1"}, "public-ip is no address of its family: '2001:db8::1'"),
        ({"public_ip": "nonsense"}, "public-ip is no address of its family: 'nonsense'"),
    ],
)
def test_what_peers_would_pass_over_is_a_defect_in_words(
    annotations: dict[str, str], defect: str
) -> None:
    assert lease_of(api_node("node-b", **annotations)).defect == defect


def test_where_all_nodes_use_another_backend_none_is_passed_over_for_it() -> None:
    node = api_node("node-b", backend_type="host-gw", backend_data="null")
    (lease,) = leases(ClusterState(captured_at="", nodes=(node,)))
    assert (lease.defect, lease.vtep_mac, lease.backend_type) == (None, None, "host-gw")


def test_a_backend_that_publishes_no_name_is_none_of_vxlan() -> None:
    """As flanneld 0.28.10 was seen to write it (cluster/tests/flannel)."""
    node = api_node("node-b", backend_type="x", backend_data="null")
    key = f"{PREFIX}/backend-type"
    node = replace(node, annotations={**node.annotations, key: ""})
    defect = "its backend is unnamed (udp, alloc or tencent-vpc), not vxlan"
    assert lease_of(node).defect == defect


def test_a_node_without_a_pod_cidr_has_a_lease_with_a_defect() -> None:
    node = replace(api_node("node-b"), pod_cidrs=())
    assert lease_of(node).defect == "the node has no pod CIDR of this family"


def test_a_node_that_flannel_never_touched_and_that_has_no_subnet_has_none() -> None:
    assert leases(ClusterState(captured_at="", nodes=(Node(name="virtual"),))) == ()


@pytest.mark.parametrize("prefix", ["example.org/", "foo.bar/baz-"])
def test_any_annotation_prefix_is_found(prefix: str) -> None:
    node = api_node("node-b")
    renamed = {key.replace(f"{PREFIX}/", prefix): value for key, value in node.annotations.items()}
    lease = lease_of(replace(node, annotations=renamed))
    assert lease.defect is None
    assert lease.vtep_mac == "02:f1:00:00:00:02"
    assert lease.source == f"Node/node-b {prefix}backend-data"


def test_what_the_user_asks_for_is_not_what_flannel_published() -> None:
    node = api_node("node-b", node_public_ip="198.51.100.9", public_ip_overwrite="203.0.113.9")
    assert lease_of(node).public_ip == "192.0.2.12"
    assert lease_of(node).public_ip_overwrite == "203.0.113.9"
    assert (
        lease_of(api_node("node-b", public_ip="", node_public_ip="198.51.100.9")).public_ip is None
    )


def test_a_dual_stack_node_has_two_leases_from_the_first_cidr_of_each_family() -> None:
    node = api_node(
        "node-b",
        backend_v6_data='{"VNI":1,"VtepMAC":"02:f6:00:00:00:02"}',
        public_ipv6="2001:DB8::2",
    )
    cidrs = ("not a network", "10.244.2.0/24", "fd00:2::/64", "10.9.0.0/24")
    v4, v6 = leases(ClusterState(captured_at="", nodes=(replace(node, pod_cidrs=cidrs),)))
    assert (v4.family, v4.pod_cidr, v4.defect) == (4, "10.244.2.0/24", None)
    assert (v6.family, v6.pod_cidr, v6.public_ip) == (6, "fd00:2::/64", "2001:db8::2")
    assert v6.vtep_mac == "02:f6:00:00:00:02"
    assert v6.source.endswith("backend-v6-data")


def read(text: str) -> NetConfRead:
    found = net_conf(cluster(net_conf=NetConf(text=text, source="ConfigMap ns/name")))
    assert found is not None
    return found


def test_the_manifests_net_conf_means_flannels_defaults() -> None:
    conf = read('{"Network":"10.244.0.0/16","Backend":{"Type":"vxlan"}}')
    assert (conf.network, conf.backend_type, conf.vni, conf.port) == (
        "10.244.0.0/16",
        "vxlan",
        1,
        8472,
    )
    assert (conf.enable_ipv4, conf.enable_ipv6, conf.direct_routing, conf.mtu) == (
        True,
        False,
        False,
        None,
    )


def test_keys_are_read_whatever_their_case() -> None:
    conf = read(
        '{"network":"n","BACKEND":{"type":"vxlan","vni":5,"PORT":4789,"directROUTING":true}}'
    )
    assert (conf.vni, conf.port, conf.direct_routing) == (5, 4789, True)


def test_a_net_conf_without_backend_means_udp_whatever_the_documentation_says() -> None:
    assert read('{"Network":"10.244.0.0/16"}').backend_type == "udp"
    assert read('{"Backend":{"VNI":1}}').backend_type == ""


@pytest.mark.parametrize("text", ["{", "[]", "3", "[" * 100_000])
def test_a_net_conf_that_flannel_could_not_read_has_a_defect(text: str) -> None:
    assert read(text).defect is not None


def test_a_cluster_may_have_no_net_conf() -> None:
    assert net_conf(cluster(net_conf=None)) is None


K3S, OWN = NET_CONF_FILES
VXLAN = '{"Network":"10.42.0.0/16","Backend":{"Type":"vxlan"}}'
SPACED = '{ "Network": "10.42.0.0/16",\n "Backend": { "Type": "vxlan" } }'
OTHER = '{"Network":"10.42.0.0/16","Backend":{"Type":"vxlan","Port":4789}}'


def on_nodes(**texts: str) -> NetConfRead | None:
    """What the files of node-a, node-b, node-c mean together, where the API has none."""
    nodes = [replace(state(f"node-{one}"), files={K3S: text}) for one, text in texts.items()]
    return net_conf(cluster(net_conf=None), nodes)


def test_without_a_config_map_the_nodes_own_file_counts() -> None:
    conf = on_nodes(b=VXLAN, a=SPACED)
    assert conf is not None
    assert (conf.network, conf.source) == ("10.42.0.0/16", f"node-a {K3S}")
    assert conf.differs_on == (), "the same, written in another way"
    assert on_nodes() is None
    with_map = net_conf(cluster(), [replace(state("node-a"), files={K3S: VXLAN})])
    assert with_map is not None
    assert with_map.source == "ConfigMap kube-flannel/kube-flannel-cfg"


def test_what_most_nodes_say_counts_and_the_others_are_named() -> None:
    conf = on_nodes(a=OTHER, b=VXLAN, c=SPACED)
    assert conf is not None
    assert (conf.port, conf.source, conf.differs_on) == (8472, f"node-b {K3S}", ("node-a",))
    even = on_nodes(b=VXLAN, a=OTHER)
    assert even is not None
    assert (even.port, even.differs_on) == (4789, ("node-b",)), "of two, the first by name"


def test_each_node_s_own_reading_can_be_had() -> None:
    nodes = [
        replace(state("node-a"), files={OWN: OTHER, K3S: VXLAN}),
        replace(state("node-b"), files={OWN: "{"}),
        state("node-c"),
    ]
    found = node_net_confs(nodes)
    assert {node: conf.source for node, conf in found.items()} == {
        "node-a": f"node-a {K3S}",
        "node-b": f"node-b {OWN}",
    }
    assert found["node-b"].defect is not None


@given(st.text(max_size=60), st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_garbage_in_annotations_raises_nothing(data: str, ip: str, cidr: str, conf: str) -> None:
    node = replace(api_node("node-b", backend_data=data, public_ip=ip), pod_cidrs=(cidr,))
    leases(ClusterState(captured_at="", nodes=(node,)))
    read(conf)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["VNI", "vtepMac", "Backend", "Type", "Port"]), inner)
        ),
        max_leaves=6,
    )
)
def test_json_of_any_shape_raises_nothing(value: object) -> None:
    import json

    text = json.dumps(value)
    assert lease_of(api_node("node-b", backend_data=text)).node == "node-b"
    assert read(text).source == "ConfigMap ns/name"
