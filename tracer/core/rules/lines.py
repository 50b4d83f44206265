"""Commands for a line of a firewall: take it away, or let packets pass before they meet it."""

from tracer.core.netfilter.decision import Way as Line
from tracer.core.rules import remedies
from tracer.model.packet import Net


def removed(line: Line, node: str) -> str:
    """The command that takes a rule away, or a policy that drops.

    Of nft's rules it needs the handle; where the dump had none, it is the command that shows it.
    """
    if _is_nfts(line):
        return remedies.on(node, _removed_from_nft(line))
    if line.policy:
        return remedies.on(node, f"{_iptables(line)} -P {line.chain} ACCEPT")
    return remedies.on(node, f"{_iptables(line)} -D {line.quote.removeprefix('-A ')}")


def network_accepted(line: Line, node: str, network: Net) -> tuple[str, ...]:
    """The commands that accept what pods send and get, in the line's own chain, before it."""
    if _is_nfts(line):
        family = "ip6" if ":" in network else "ip"
        words = (f"{family} {side} {network}" for side in ("saddr", "daddr"))
    else:
        words = (f"-{side} {network}" for side in "sd")
    return tuple(_accepted(line, node, each) for each in words)


def port_accepted(line: Line, node: str, port: int) -> str:
    """The command that accepts a UDP port, in the line's own chain, before it."""
    words = f"udp dport {port}" if _is_nfts(line) else f"-p udp --dport {port}"
    return _accepted(line, node, words)


def _accepted(line: Line, node: str, words: str) -> str:
    if _is_nfts(line):
        return remedies.on(node, f"nft insert rule {line.table} {line.chain} {words} accept")
    return remedies.on(node, f"{_iptables(line)} -I {line.chain} {words} -j ACCEPT")


def _is_nfts(line: Line) -> bool:
    return line.tool.startswith("nft")


def _removed_from_nft(line: Line) -> str:
    where = f"{line.table} {line.chain}"
    if line.policy:
        return f"nft 'chain {where} {{ policy accept; }}'"
    if line.handle is None:
        return f"nft -a list chain {where}"
    return f"nft delete rule {where} handle {line.handle}"


def _iptables(line: Line) -> str:
    """The tool with the table, which is `filter` where none is named."""
    name = "ip6tables" if line.tool.startswith("ip6") else "iptables"
    name += "-legacy" if "legacy" in line.tool else ""
    return name if line.table == "filter" else f"{name} -t {line.table}"
