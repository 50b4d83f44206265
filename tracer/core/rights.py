"""Capabilities of an agent, by name and without `CAP_`: what a set of them comes to."""

from collections.abc import Iterable

WATCHING = frozenset({"BPF", "NET_ADMIN", "PERFMON"})
"""Without these no packet is seen: they load our programs and attach them. SYS_ADMIN stands for
them (include/linux/bpf.h)."""


def lacking(have: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """Those of `wanted` that are not there, in alphabetical order."""
    there = set(have)
    if "SYS_ADMIN" in there:
        there |= WATCHING
    return sorted(set(wanted) - there)


def named(capabilities: Iterable[str]) -> str:
    """`CAP_BPF and CAP_PERFMON`."""
    return " and ".join(f"CAP_{one}" for one in capabilities)
