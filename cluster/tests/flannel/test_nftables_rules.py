"""flannel's rules in nftables mode: which, and that nobody keeps them up."""

import time

from cluster import images
from cluster.daemons import until
from cluster.setup import Cluster
from cluster.spare import NET_CONF, Spare

NFT = {**NET_CONF, "EnableNFTables": True}
RULES = """\
table ip flannel-ipv4 {
	comment "rules for flannel-ipv4"
	chain postrtg {
		comment "chain to manage traffic masquerading by flannel"
		type nat hook postrouting priority srcnat; policy accept;
		meta mark 0x00004000 return
		ip saddr 10.244.77.0/24 ip daddr 10.244.0.0/16 return
		ip saddr 10.244.0.0/16 ip daddr 10.244.77.0/24 return
		ip saddr != 10.244.77.0/24 ip daddr 10.244.0.0/16 return
		ip saddr 10.244.0.0/16 ip daddr != 224.0.0.0/4 masquerade fully-random
		ip saddr != 10.244.0.0/16 ip daddr 10.244.0.0/16 masquerade fully-random
	}

	chain forward {
		comment "chain to accept flannel traffic"
		type filter hook forward priority filter; policy accept;
		ip saddr 10.244.0.0/16 accept
		ip daddr 10.244.0.0/16 accept
	}
}
"""


def table(spare: Spare) -> str:
    """flannel's table, as nft prints it."""
    return spare.place.run("nft", "list", "table", "ip", "flannel-ipv4")


def test_these_are_all(spare: Spare) -> None:
    spare.start(net_conf=NFT)
    assert table(spare) == RULES
    assert "table ip6 flannel-ipv6" in spare.place.run("nft", "list", "tables")
    assert "FLANNEL" not in spare.place.run("iptables-save")


def test_they_are_never_written_again(spare: Spare) -> None:
    spare.start("--iptables-resync=1", net_conf=NFT)
    spare.place.run("nft", "flush", "ruleset")
    time.sleep(4)
    assert spare.place.run("nft", "list", "ruleset") == ""
    spare.restart(net_conf=NFT)
    assert table(spare) == RULES


def test_they_stay_when_flanneld_ends(spare: Spare) -> None:
    spare.start(net_conf=NFT)
    spare.stop()
    assert table(spare) == RULES


def test_what_the_node_itself_sends_to_pods_of_others_keeps_its_source(
    cluster: Cluster, peer: Spare
) -> None:
    """In iptables mode it is masqueraded: the order of the rules differs."""
    run = peer.place.run
    run("nft", "add", "table", "ip", "seen")
    run("nft", "add chain ip seen out { type filter hook postrouting priority 200; }")
    run("nft", f"add rule ip seen out oifname flannel.1 ip saddr {peer.address} counter")
    target = cluster.get("pod", "web-a")["status"]["podIP"]
    peer.start(net_conf=NFT)
    until("a route", lambda: target.rpartition(".")[0] in run("ip", "route"), 5)
    run(images.BUSYBOX, "ping", "-c1", "-W1", "-I", peer.address, target)
    assert "counter packets 1" in run("nft", "list", "table", "ip", "seen")
