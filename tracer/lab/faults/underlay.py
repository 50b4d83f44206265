"""Faults of the network between the nodes (part C of the catalogue): no node shows them."""

from tracer.lab.faults.fault import (
    Fault,
    Plan,
)
from tracer.lab.flanneld import DEFAULT_PORT
from tracer.lab.paths import NETNS_DIR, UNDERLAY
from tracer.lab.shell import run

SMALL_LINK = 1400
"""Bytes of an IP packet that the narrowest link of the underlay takes."""
ALLOWED_UDP = (53, 123)
"""What a security group lets through besides TCP and ICMP: DNS and NTP."""


def underlay_mtu_blackhole(_plan: Plan) -> None:
    """A link of the underlay carries only 1400 bytes and drops larger packets without a word."""
    _switch_drops(f"ip length > {SMALL_LINK} drop")


def nsx_intercepts_8472(_plan: Plan) -> None:
    """The underlay drops UDP port 8472 and nothing else: a hypervisor takes it for its own."""
    _switch_drops(f"udp dport {DEFAULT_PORT} drop")


def cloud_sg_8472(_plan: Plan) -> None:
    """The underlay drops every UDP port that its security group does not list, as 8472."""
    listed = ", ".join(map(str, ALLOWED_UDP))
    _switch_drops(f"meta l4proto udp udp dport != {{ {listed} }} drop")


def heal_underlay(_plan: Plan) -> None:
    """Let the switch forward everything again."""
    _nft("add table bridge flantrace\ndelete table bridge flantrace\n")


def _switch_drops(rule: str) -> None:
    # In the switch's own namespace, so that neither node's kernel half reports the drop.
    _nft(
        "table bridge flantrace {\n chain forward {\n"
        "  type filter hook forward priority 0; policy accept;\n"
        f"  {rule}\n }}\n}}\n"
    )


def _nft(script: str) -> None:
    run(["nsenter", f"--net={NETNS_DIR}/{UNDERLAY}", "--", "nft", "-f", "-"], text=script)


BETWEEN = "what stops it stands between the nodes"

FAULTS = (
    Fault(underlay_mtu_blackhole, heal_underlay, needs=("nft",), hidden=BETWEEN),
    Fault(nsx_intercepts_8472, heal_underlay, needs=("nft",), hidden=BETWEEN),
    Fault(cloud_sg_8472, heal_underlay, needs=("nft",), hidden=BETWEEN),
)
