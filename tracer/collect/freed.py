"""What the kernel frees: how the tracepoint's program is compiled, and attached."""

from collections.abc import Mapping
from typing import NamedTuple

from tracer.collect import btf, hooks, layout

_REASON_SINCE = 4
"""Arguments of kfree_skb's prototype in BTF, its own context included, from Linux 5.17 on."""


class FreedFlags(NamedTuple):
    """-D flags of the program; none where it cannot be compiled."""

    flags: tuple[str, ...] = ()
    problem: str | None = None
    """Why drops are not seen."""

    @property
    def reasons(self) -> bool:
        """The kernel tells why it frees a packet."""
        return "-DHAS_REASON" in self.flags


def freed_flags(types: btf.Btf | None, reasons: Mapping[int, str]) -> FreedFlags:
    """`reasons`: the running kernel's names by number."""
    offsets = layout.skb_flags(types) if types else None
    if types is None or offsets is None:
        what = "has no BTF" if types is None else "lays out its sk_buff in an unknown way"
        return FreedFlags(problem=f"dropped packets are not seen: this kernel {what}")
    if (types.arguments("btf_trace_kfree_skb") or 0) >= _REASON_SINCE:
        offsets.append("-DHAS_REASON")
        consumed = [number for number, name in reasons.items() if name == "SKB_CONSUMED"]
        offsets += [f"-DSKB_CONSUMED={number}" for number in consumed]
    return FreedFlags(tuple(offsets))


def open_tracepoint(program: int | None) -> tuple[int | None, str | None]:
    """Attach it, for as long as the returned descriptor is open; or why drops are not seen."""
    if program is None:
        return None, None
    try:
        return hooks.open_raw_tracepoint(program, "kfree_skb"), None
    except OSError as error:
        return None, f"dropped packets are not seen: kfree_skb: {error.strerror}"
