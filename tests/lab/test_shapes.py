"""Every shape of the lab comes up, its pods reach each other, and flantrace has nothing to say."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

import pytest

from tests.lab.shaped import (
    Labs,
    Questions,
    by_command,
    checked,
    foretold,
    hops,
    pings,
    traced,
    worries,
)
from tests.lab.universe import Universe
from tracer.lab.faults import FAULTS
from tracer.lab.plan import planned
from tracer.lab.services import CLUSTER_IP, PORT, TARGET_PORT
from tracer.lab.shape import PLAIN, SHAPES
from tracer.lab.variants import VARIANTS

pytestmark = pytest.mark.lab

NEEDS_KERNEL = ("vlan", "bond")
OTHER_BACKEND = "flannel's backend on {} is host-gw: flantrace follows vxlan only."
SEEN = {
    "plain": ("ip -n node-a -d link show flannel.1", "vxlan id 1 local 192.0.2.11 dev eth0"),
    "ipv6": ("ip -n node-a -6 route", "via fd00:10:244:2:: dev flannel-v6.1"),
    "dual-stack": ("ip -n pod-b address show eth0", "fd00:10:244:2::2/64"),
    "direct-routing": ("ip -n node-a route", "10.244.2.0/24 via 192.0.2.12 dev eth0"),
    "vni-port": ("ip -n node-a -d link show flannel.4242", "vxlan id 4242"),
    "prefix": ("/api/v1/nodes/node-b", '"example.org/overlay-backend-data"'),
    "jumbo": ("ip -n pod-a link show eth0", "mtu 8950"),
    "gbp": ("ip -n node-a -d link show flannel.1", " gbp "),
    "k3s": (
        "ls /run/flantrace-lab/files/node-a/var/lib/upper/rancher/k3s/agent/etc/flannel",
        "net-conf.json",
    ),
    "host-gw": ("ip -n node-a route", "10.244.2.0/24 via 192.0.2.12 dev eth0"),
    "mixed": ("/api/v1/nodes/node-c", '/backend-type":"host-gw"'),
    "old-annotations": ("/api/v1/nodes/node-b", r'"{\"VtepMAC\":'),
    "nat": ("bridge -n node-a fdb show dev flannel.1", "dst 203.0.113.12 self permanent"),
    "two-nics": ("ip -n node-a route", "default via 10.0.2.2 dev eth0"),
    "services": ("ip netns exec node-a iptables-save", "-A KUBE-SERVICES"),
    "nftables": ("ip netns exec node-a nft list tables", "table ip flannel-ipv4"),
}
"""What shows that the shape is there: a command or a path of the API, and a part of the answer."""

PINGED = {name: planned(2, shape)[1].pods[0].ips for name, shape in SHAPES.items()}
"""pod-b's addresses, one a family."""
FULL = {"ipv6": 1430 - 48, "dual-stack": 1430 - 48, "jumbo": 8950 - 28, "host-gw": 1500 - 28}
"""Payload of an echo request that fills the overlay's MTU, where it is not 1450 less 28."""


def basics(lab: Universe, shape: str) -> dict[str, Any]:
    question, _ = SEEN[shape]
    return {
        "pings": pings(lab, *(("pod-a", ip, FULL.get(shape, 1422)) for ip in PINGED[shape])),
        "seen": from_api(lab, question) if "/api/" in question else lab.output(question.split()),
        "told": by_command(lab, "pod-a", "pod-b"),
        "checked": checked(lab),
        "foretold": foretold(lab, "pod-a", "pod-b"),
    }


def from_api(lab: Universe, path: str) -> str:
    with urlopen(lab.server() + path) as answer:
        text: bytes = answer.read()
    return text.decode()


def more(lab: Universe, shape: str) -> dict[str, Any]:
    """What only this shape is asked."""
    match shape:
        case "plain":
            return varied(lab)
        case "ipv6":
            return {
                "inject": lab.flantrace("lab", "inject", "fdb-missing"),
                "host": traced(lab, "pod-a", "host-b"),
                "own node": traced(lab, "pod-a", "node/node-a"),
                "nodes": traced(lab, "node/node-a", "node/node-b"),
                "no neighbour": without_neighbour(lab),
                "made for ipv6": lab.output([sys.executable, "-c", MADE_FOR_IPV6]),
            }
        case "dual-stack":
            return {"six": traced(lab, "pod-a", "pod-b", 6)}
        case "mixed":
            return {"to the odd node": by_command(lab, "pod-a", "pod-c")}
        case "services":
            return {"answers": by_service(lab)}
    return {}


def without_neighbour(lab: Universe) -> dict[str, Any]:
    """An entry that the family's own discovery cannot replace; then everything healed."""
    gone = "ip neigh del fd00:10:244:2:: dev flannel-v6.1"
    lab.lab("exec", "node-a", "--", *gone.split())
    told = by_command(lab, "pod-a", "pod-b")
    lab.lab("heal")
    return {"told": told, "healed": pings(lab, ("pod-a", "fd00:10:244:2::2", 56))}


MADE_FOR_IPV6 = """
from tracer.lab import flanneld, injection, overlay
from tracer.lab.faults.fault import RECEIVER, SENDER, Fault, node
from tracer.lab.shell import ip, run

def route_lost(plan):
    device = overlay.healthy_vtep(node(plan, SENDER), 6).backend.device
    peers = overlay.healthy_peers(node(plan, SENDER), plan, 6)
    ip(SENDER, [f"route del {p.pod_cidr} dev {device}" for p in peers if p.node == RECEIVER])

def routes():
    return run(["ip", "-n", SENDER, "-6", "route", "show", "fd00:10:244:2::/64"]).strip()

fault = Fault(route_lost, shapes=("ipv6", "dual-stack"))
injection.FAULTS["made-up"] = injection.CHANGES["made-up"] = fault
injection.inject("made-up")
print(routes() or "no route")
injection.heal()
print(routes())
"""
"""A fault as somebody would write it, in the shape that it names; then healed."""

SERVER = """
import socket
listening = socket.create_server(("", int(__import__("sys").argv[1])))
print("ready", flush=True)
while True:
    peer, source = listening.accept()
    peer.sendall(f"{__import__('sys').argv[2]} to {source[0]}".encode())
    peer.close()
"""
CLIENT = """
import socket, sys
for _ in range(8):
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3) as peer:
        print(peer.recv(100).decode())
"""


def by_service(lab: Universe) -> set[str]:
    """What pod-a gets from the Service's address, tried eight times."""
    inside = [*lab.inside, sys.executable, "-m", "tracer", "lab", "exec"]
    servers = []
    for pod in ("pod-b", "pod-c"):
        command = [*inside, pod, "--", sys.executable, "-c", SERVER, str(TARGET_PORT), pod]
        servers.append(subprocess.Popen(command, stdout=subprocess.PIPE))
    try:
        for server in servers:
            assert server.stdout is not None
            assert server.stdout.readline() == b"ready\n"
        client = [sys.executable, "-c", CLIENT, CLUSTER_IP, str(PORT)]
        return set(lab.lab("exec", "pod-a", "--", *client).splitlines())
    finally:
        for server in servers:
            server.kill()
            server.wait()


def varied(lab: Universe) -> dict[str, Any]:
    """Each variant, one after the other."""
    found: dict[str, Any] = {}
    for name in VARIANTS:
        lab.lab("vary", name)
        again = lab.flantrace("lab", "vary", "uplink-flapped")
        found[name] = {
            "status": lab.lab("status"),
            "refused": again.stderr,
            "told": by_command(lab, "pod-a", "pod-d" if name == "node-joined" else "pod-b"),
            "checked": checked(lab),
            "node": node_c(lab),
            "dropped": noise(lab),
        }
        lab.lab("heal")
        found[name]["healed"] = pings(
            lab, ("pod-a", "10.244.2.2", 1422), ("pod-a", "10.244.3.2", 56)
        )
    return found


def node_c(lab: Universe) -> Any:
    return json.loads(from_api(lab, "/api/v1/nodes/node-c"))


def noise(lab: Universe) -> int:
    command = ["ip", "-n", "node-a", "-s", "-j", "link", "show", "flannel.1"]
    return int(json.loads(lab.output(command))[0]["stats64"]["tx"]["dropped"])


def questions(shape: str) -> Questions:
    return lambda lab: basics(lab, shape) | more(lab, shape)


@pytest.fixture(scope="module")
def labs(request: pytest.FixtureRequest) -> Iterator[Labs]:
    """The labs that the chosen tests ask for; the one with most to do first."""
    wanted = {"plain": questions("plain")}
    for item in request.session.items:
        params = item.callspec.params if hasattr(item, "callspec") else {}
        if getattr(item, "module", None) is request.module and "shape" in params:
            wanted.setdefault(params["shape"], questions(params["shape"]))
    made = Labs(wanted)
    yield made
    made.close()


@pytest.fixture
def answers(labs: Labs, shape: str) -> dict[str, Any]:
    return labs.of(shape)


@pytest.mark.parametrize("shape", [name for name in SHAPES if name not in NEEDS_KERNEL])
def test_pods_reach_each_other_and_flantrace_has_nothing_to_say(
    answers: dict[str, Any], shape: str
) -> None:
    assert answers["pings"] == ["echo reply"] * len(SHAPES[shape].families)
    assert SEEN[shape][1] in answers["seen"]
    told = answers["told"]
    if shape == "host-gw":
        assert told["verdict"]["sentence"] == OTHER_BACKEND.format("node-a")
        assert (told["exit code"], told["paths"], told["findings"]) == (3, [], [])
        assert told["overlay"]["vni"] is None
        return
    assert told["verdict"]["outcome"] == "delivered", told["verdict"]
    assert told["verdict"]["sentence"].endswith("Every entry used matches the leases.")
    assert (told["exit code"], worries(told), told["notes"]) == (0, [], [])
    assert hops(told) == {6 if shape == "direct-routing" else 8}


@pytest.mark.parametrize("shape", [name for name in SHAPES if name not in NEEDS_KERNEL])
def test_a_check_of_a_healthy_shape_finds_nothing_and_the_tables_foretell_the_same(
    answers: dict[str, Any], shape: str
) -> None:
    checked, told = answers["checked"], answers["foretold"]
    if shape == "mixed":
        # A rollout that has not reached node-c: pods there are cut off from the others.
        assert {one["rule"] for one in checked["findings"]} == {"backend-type-mixed"}
        return
    assert worries(checked) == [], checked["findings"]
    if shape == "host-gw":
        assert told["exit code"] == 3
        return
    assert checked["exit code"] == 0, checked["sentence"]
    assert (told["verdict"]["outcome"], told["exit code"], worries(told)) == ("delivered", 0, [])
    assert hops(told) == {6 if shape == "direct-routing" else 8}


@pytest.mark.parametrize("shape", ["ipv6"])
def test_ipv6_to_hosts_and_between_nodes(answers: dict[str, Any]) -> None:
    for name in ("host", "own node", "nodes"):
        told = answers[name]
        assert told["verdict"]["outcome"] == "delivered", (name, told["verdict"])
        assert worries(told) == [], name
    assert hops(answers["nodes"]) == {4}


@pytest.mark.parametrize("shape", ["ipv6"])
def test_a_missing_neighbour_is_named_in_ipv6_and_the_solicitation_is_a_hop(
    answers: dict[str, Any],
) -> None:
    told = answers["no neighbour"]["told"]
    assert (told["exit code"], told["verdict"]["rule"]) == (1, "neigh-missing")
    asked = told["paths"][0]["hops"][-2]
    assert asked["packet"]["arp"]["target_ip"] == "fd00:10:244:2::"
    assert asked["drop"]["reason"] == "NO_TX_TARGET"
    assert answers["no neighbour"]["healed"] == ["echo reply"]


@pytest.mark.parametrize("shape", ["ipv6"])
def test_a_fault_is_refused_in_a_shape_that_it_is_not_made_for(answers: dict[str, Any]) -> None:
    assert FAULTS["fdb-missing"].shapes == (PLAIN.name,)
    refused = answers["inject"]
    assert refused.returncode == 2
    assert "fdb-missing needs a lab of the shape plain, and this one is ipv6" in refused.stderr
    assert "flantrace lab up --shape plain" in refused.stderr


@pytest.mark.parametrize("shape", ["ipv6"])
def test_a_fault_is_set_and_healed_in_the_shape_that_it_names(answers: dict[str, Any]) -> None:
    broken, healed = answers["made for ipv6"].splitlines()
    assert broken == "no route"
    assert "via fd00:10:244:2:: dev flannel-v6.1" in healed


@pytest.mark.parametrize("shape", ["dual-stack"])
def test_of_two_families_the_one_that_is_asked_for_is_traced(answers: dict[str, Any]) -> None:
    assert answers["told"]["request"]["destination"]["ip"] == "10.244.2.2"
    six = answers["six"]
    assert six["request"]["destination"]["ip"] == "fd00:10:244:2::2"
    assert six["verdict"]["outcome"] == "delivered"
    assert (worries(six), hops(six)) == ([], {8})
    assert six["paths"][0]["hops"][2]["ifname"] == "flannel-v6.1"


@pytest.mark.parametrize("shape", ["mixed"])
def test_a_node_of_another_backend_is_named_where_packets_for_it_end(
    answers: dict[str, Any],
) -> None:
    told = answers["to the odd node"]
    verdict = told["verdict"]
    assert (verdict["rule"], verdict["node"], verdict["reason"], told["exit code"]) == (
        "backend-type-mixed", "node-a", "IP_INNOROUTES", 1
    )  # fmt: skip
    assert [(one["rule"], one["node"]) for one in told["findings"]] == [
        ("backend-type-mixed", "node-c")
    ]


@pytest.mark.parametrize("shape", ["direct-routing"])
def test_direct_routing_shows_no_vxlan_and_no_vteps_macs(answers: dict[str, Any]) -> None:
    told = answers["told"]
    assert (told["macs"], told["overlay"]["vni"]) == ([], None)
    assert {hop["device"] for path in told["paths"] for hop in path["hops"]} == {
        "pod", "bridge", "uplink"
    }  # fmt: skip


@pytest.mark.parametrize("shape", ["nat"])
def test_behind_nat_the_outer_addresses_are_others_on_each_side(answers: dict[str, Any]) -> None:
    out, into = (answers["told"]["paths"][0]["hops"][n]["packet"]["outer"] for n in (3, 4))
    assert (out["src"], out["dst"]) == ("192.0.2.11", "203.0.113.12")
    assert (into["src"], into["dst"]) == ("203.0.113.11", "192.0.2.12")


@pytest.mark.parametrize("shape", ["services"])
def test_a_pod_reaches_a_services_address(answers: dict[str, Any]) -> None:
    assert answers["answers"] <= {"pod-b to 10.244.1.2", "pod-c to 10.244.1.2"}
    assert answers["answers"]


@pytest.mark.parametrize("shape", NEEDS_KERNEL)
def test_a_kernel_without_the_uplinks_kind_says_so_before_anything_is_built(
    universe: Universe, shape: str
) -> None:
    before = universe.look()
    done = universe.flantrace("lab", "up", "--shape", shape)
    if done.returncode == 0:
        told = by_command(universe, "pod-a", "pod-b")
        assert told["verdict"]["outcome"] == "delivered", told["verdict"]
        assert told["paths"][0]["hops"][3]["ifname"] == SHAPES[shape].uplink
        assert (worries(told), hops(told)) == ([], {8})
        universe.lab("down")
    else:
        assert done.returncode == 4
        assert f"this kernel makes no {shape} devices" in done.stderr
        assert "CONFIG_" in done.stderr
    assert universe.look() == before


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_leaves_the_traffic_whole_and_flantrace_silent(labs: Labs, name: str) -> None:
    found = labs.of("plain")[name]
    assert f"variant     {name}\n" in found["status"]
    assert f"the variant {name} is in force" in found["refused"]
    told = found["told"]
    assert told["verdict"]["outcome"] == "delivered", told["verdict"]
    assert (told["exit code"], worries(told), told["notes"]) == (0, [], [])
    assert hops(told) == {8}
    assert worries(found["checked"]) == [], found["checked"]["findings"]
    assert found["checked"]["exit code"] == 0, found["checked"]["sentence"]
    assert found["healed"] == ["echo reply"] * 2


def test_a_variant_is_what_it_says(labs: Labs) -> None:
    found = labs.of("plain")
    assert "node-d" in found["node-joined"]["status"]
    assert found["node-drained"]["node"]["spec"]["unschedulable"] is True
    assert found["node-deleting"]["node"]["metadata"]["deletionTimestamp"]
    assert found["multicast-noise"]["dropped"] >= found["orphan-fdb"]["dropped"] + 50


def test_what_the_lab_can_be_and_go_through_is_listed_one_a_line(universe: Universe) -> None:
    for listing, names in (("shapes", SHAPES), ("variants", VARIANTS)):
        listed = universe.lab(listing).splitlines()
        assert [line.split()[0] for line in listed] == list(names)
        assert all(len(line.split(maxsplit=1)[1]) > 20 for line in listed)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("up", "--shape", "round"), "flantrace lab shapes"),
        (("vary", "nothing-at-all"), "flantrace lab variants"),
    ],
)
def test_an_unknown_name_is_a_usage_error_with_a_hint(
    universe: Universe, words: tuple[str, ...], said: str
) -> None:
    done = universe.flantrace("lab", *words)
    assert done.returncode == 2
    assert said in done.stderr
