"""What stands in a node's tables, as `ip` and `bridge` show it."""

import json
from dataclasses import dataclass
from typing import Any

from cluster.nodes import Place


@dataclass(frozen=True)
class Tables:
    """What belongs to one VXLAN device, and every route that is not the kernel's own."""

    neighbours: dict[str, str]
    """Address -> MAC, the permanent ones."""
    fdb: set[tuple[str, str]]
    """MAC and the address that it leads to."""
    routes: dict[str, str]
    """Destination -> `via GATEWAY dev DEVICE FLAGS`."""


def tables(place: Place, device: str = "flannel.1") -> Tables:
    """The tables of a node now; empty ones for a device that is not there."""
    there = any(one["ifname"] == device for one in ask(place, "ip", "-j", "link"))
    neighbours = ask(place, "ip", "-j", "neigh", "show", "dev", device) if there else []
    fdb = ask(place, "bridge", "-j", "fdb", "show", "dev", device) if there else []
    routes = [*ask(place, "ip", "-j", "route"), *ask(place, "ip", "-6", "-j", "route")]
    return Tables(
        {one["dst"]: one["lladdr"] for one in neighbours if one["state"] == ["PERMANENT"]},
        {(one["mac"], one["dst"]) for one in fdb if "dst" in one},
        {
            one["dst"]: " ".join(
                [f"via {one['gateway']} dev {one['dev']}", *sorted(one.get("flags", ()))]
            )
            for one in routes
            if "gateway" in one and one["dst"] != "default"
        },
    )


def link(place: Place, device: str = "flannel.1") -> dict[str, Any]:
    """A device with its details."""
    found: dict[str, Any] = ask(place, "ip", "-j", "-d", "address", "show", "dev", device)[0]
    return found


def addresses(place: Place, device: str = "flannel.1") -> set[str]:
    """The addresses of a device, as CIDR, without those of the link."""
    return {
        f"{one['local']}/{one['prefixlen']}"
        for one in link(place, device)["addr_info"]
        if one["scope"] == "global"
    }


def ask(place: Place, *words: str) -> list[Any]:
    """The JSON that a command prints; iproute2 prints nothing for nothing."""
    found: list[Any] = json.loads(place.run(*words).strip() or "[]")
    return [one for one in found if one]
