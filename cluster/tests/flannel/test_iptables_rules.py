"""flannel's rules in iptables mode, the default: which, where they stand, and what is kept up."""

import pytest

from cluster import images
from cluster.daemons import until
from cluster.setup import Cluster
from cluster.spare import NET_CONF, Spare
from cluster.tests.flannel.conftest import SPARE_CIDR

NFT = {**NET_CONF, "EnableNFTables": True}
NAT = (
    '-A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG',
    '-A FLANNEL-POSTRTG -m mark --mark 0x4000/0x4000 -m comment --comment "flanneld masq"'
    " -j RETURN",
    f'-A FLANNEL-POSTRTG -s {SPARE_CIDR} -d 10.244.0.0/16 -m comment --comment "flanneld masq"'
    " -j RETURN",
    f'-A FLANNEL-POSTRTG -s 10.244.0.0/16 -d {SPARE_CIDR} -m comment --comment "flanneld masq"'
    " -j RETURN",
    f'-A FLANNEL-POSTRTG ! -s 10.244.0.0/16 -d {SPARE_CIDR} -m comment --comment "flanneld masq"'
    " -j RETURN",
    '-A FLANNEL-POSTRTG -s 10.244.0.0/16 ! -d 224.0.0.0/4 -m comment --comment "flanneld masq"'
    " -j MASQUERADE --random-fully",
    '-A FLANNEL-POSTRTG ! -s 10.244.0.0/16 -d 10.244.0.0/16 -m comment --comment "flanneld masq"'
    " -j MASQUERADE --random-fully",
)
FORWARD = (
    '-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD',
    '-A FLANNEL-FWD -s 10.244.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT',
    '-A FLANNEL-FWD -d 10.244.0.0/16 -m comment --comment "flanneld forward" -j ACCEPT',
)
QUICK = "--iptables-resync=1"


def rules(spare: Spare, table: str) -> tuple[str, ...]:
    """The rules of a table, as iptables-save prints them."""
    found = spare.place.run("iptables-save", "-t", table).splitlines()
    return tuple(line for line in found if line.startswith("-A"))


def test_these_are_all_and_none_is_in_input(observer: Spare) -> None:
    assert rules(observer, "nat") == NAT
    assert rules(observer, "filter") == FORWARD
    for table in ("raw", "mangle"):
        assert rules(observer, table) == ()


def test_the_policy_of_forward_is_not_touched_whatever_the_log_says(spare: Spare) -> None:
    spare.place.run("iptables", "-P", "FORWARD", "DROP")
    spare.start()
    assert "Changing default FORWARD chain policy to ACCEPT" in spare.log()
    assert ":FORWARD DROP" in spare.place.run("iptables-save", "-t", "filter")


def test_they_are_appended_so_that_earlier_rules_win(spare: Spare) -> None:
    spare.place.run("iptables", "-A", "FORWARD", "-j", "REJECT")
    spare.start()
    reject = "-A FORWARD -j REJECT --reject-with icmp-port-unreachable"
    assert rules(spare, "filter") == (reject, *FORWARD)


@pytest.mark.parametrize(
    ("table", "loss"),
    [
        ("filter", "-F FORWARD"),
        ("filter", "-F FLANNEL-FWD"),
        ("filter", "-D FLANNEL-FWD 1"),
        ("nat", "-F"),
        ("nat", "-D FLANNEL-POSTRTG 1"),
    ],
)
def test_a_missing_rule_brings_all_of_them_back(spare: Spare, table: str, loss: str) -> None:
    wanted = {"filter": FORWARD, "nat": NAT}[table]
    spare.start(QUICK)
    spare.place.run("iptables", "-t", table, *loss.split())
    assert rules(spare, table) != wanted
    until("they are back", lambda: rules(spare, table) == wanted, 5)
    assert "Some iptables rules are missing; deleting and recreating rules" in spare.log()


def test_so_does_the_flush_of_everything(spare: Spare) -> None:
    spare.start(QUICK)
    spare.place.run("nft", "flush", "ruleset")
    until("forward", lambda: rules(spare, "filter") == FORWARD, 5)
    until("nat", lambda: rules(spare, "nat") == NAT, 5)


def test_they_are_looked_for_every_five_seconds_unless_told_otherwise(observer: Spare) -> None:
    assert "iptablesResyncSeconds:5" in observer.log()
    observer.place.run("iptables", "-F", "FORWARD")
    until("they are back", lambda: rules(observer, "filter") == FORWARD, 7)


def test_a_rule_that_is_put_before_them_is_not_noticed(spare: Spare) -> None:
    spare.start(QUICK)
    spare.place.run("iptables", "-I", "FORWARD", "1", "-s", "10.244.0.0/16", "-j", "DROP")
    spare.place.run("iptables", "-I", "FLANNEL-FWD", "1", "-j", "RETURN")
    spare.place.run("iptables", "-t", "nat", "-F")
    until("nat was looked at", lambda: rules(spare, "nat") == NAT, 5)
    assert "-A FORWARD -s 10.244.0.0/16 -j DROP" in rules(spare, "filter")
    assert "-A FLANNEL-FWD -j RETURN" in rules(spare, "filter")


def test_without_ip_masq_there_is_no_rule_of_nat(spare: Spare) -> None:
    spare.start("--ip-masq=false")
    assert rules(spare, "nat") == ()
    assert rules(spare, "filter") == FORWARD
    assert "FLANNEL_IPMASQ=false\n" in spare.place.read("/run/flannel/subnet.env")


def test_flags_leave_out_the_rules_of_forward_and_random_ports(spare: Spare) -> None:
    spare.start("--iptables-forward-rules=false", "--ip-masq-fully-random-disable")
    assert rules(spare, "filter") == ()
    assert rules(spare, "nat") == tuple(rule.removesuffix(" --random-fully") for rule in NAT)


def test_a_blackhole_for_the_nodes_own_subnet_is_a_flag(spare: Spare) -> None:
    """As canal has it."""
    spare.start(QUICK, "--ip-blackhole-route")
    until("the route", lambda: f"blackhole {SPARE_CIDR}" in spare.sh("ip route"), 5)


def test_a_switch_to_nftables_leaves_what_accepts_and_an_empty_chain_of_nat(
    observer: Spare,
) -> None:
    observer.restart(net_conf=NFT)
    assert rules(observer, "filter") == FORWARD
    assert rules(observer, "nat") == NAT[:1]
    assert "flannel-ipv4" in observer.place.run("nft", "list", "tables")


def test_a_switch_back_removes_the_tables_of_nftables(spare: Spare) -> None:
    spare.start(net_conf=NFT)
    spare.restart()
    tables = spare.place.run("nft", "list", "tables")
    assert "flannel-ipv" not in tables
    assert rules(spare, "nat") == NAT


def test_what_a_pod_outside_of_its_nodes_pod_cidr_sends_is_masqueraded(
    cluster: Cluster, peer: Spare
) -> None:
    peer.start()
    target = cluster.get("pod", "web-a")["status"]["podIP"]
    peer.place.run("ip", "address", "add", "10.244.200.5/32", "dev", "lo")
    until("a route", lambda: target.rpartition(".")[0] in peer.place.run("ip", "route"), 5)
    _ping(peer, "10.244.77.0", target)
    assert _hits(peer, "MASQUERADE") == [0, 0]
    _ping(peer, "10.244.200.5", target)
    assert _hits(peer, "MASQUERADE") == [1, 0]
    _ping(peer, peer.address, target)
    assert _hits(peer, "MASQUERADE") == [1, 1]


def _ping(spare: Spare, source: str, target: str) -> None:
    spare.sh(f"{images.BUSYBOX} ping -c1 -W1 -I {source} {target}")


def _hits(spare: Spare, target: str) -> list[int]:
    """How many connections met each of flannel's rules of that target."""
    lines = spare.sh("iptables -t nat -vxnL FLANNEL-POSTRTG").splitlines()
    return [int(line.split()[0]) for line in lines if target in line.split()]
