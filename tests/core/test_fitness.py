"""Facts about a machine -> what is missing there, what is lost by it, and the remedy.

Kernels and lockdown that cannot be had here are made of facts; what is real is in
tests/collect/test_health.py.
"""

from typing import Any

import pytest

from tests.healths import ASKED, health, no, without
from tracer.core.fitness import items
from tracer.model.checkup import Item, Standing
from tracer.model.health import Namespaces, Try
from tracer.model.state import NotRead

EPERM = "Operation not permitted"


def judged(**parts: Any) -> dict[str, Item]:
    """Item by name, of a machine that is sound but for these."""
    return {item.name: item for item in items(health(**parts), ASKED)}


def standings(found: dict[str, Item]) -> dict[str, str]:
    """Those that are not ok."""
    return {
        name: item.standing.value for name, item in found.items() if item.standing != Standing.OK
    }


def test_a_sound_machine_lacks_nothing() -> None:
    found = judged()
    assert standings(found) == {}
    assert all(item.said and not item.remedy for item in found.values())


def test_a_kernel_without_btf_sees_no_drops() -> None:
    found = judged(btf=no("No such file or directory"))
    assert standings(found) == {"BTF": "missing", "drops": "missing"}
    assert not found["drops"].remedy, "one cause, one remedy"
    assert found["BTF"].said == "no BTF: No such file or directory"
    assert "no dropped packet is seen" in found["BTF"].without
    assert "CONFIG_DEBUG_INFO_BTF" in found["BTF"].remedy


def test_lockdown_that_guards_confidentiality_is_named_as_the_cause() -> None:
    refused = no("Invalid argument: unknown func bpf_probe_read_kernel#113")
    found = judged(lockdown="confidentiality", memory_program=refused)
    assert standings(found) == {"drops": "missing"}
    assert "lockdown=confidentiality" in found["drops"].said
    assert "integrity" in found["drops"].remedy


def test_lockdown_is_known_by_what_it_refuses_where_its_file_is_hidden() -> None:
    refused = no("Invalid argument: unknown func bpf_probe_read_kernel#113")
    assert "lockdown" in judged(lockdown=None, memory_program=refused)["drops"].said


def test_lockdown_that_guards_integrity_is_no_hindrance() -> None:
    assert standings(judged(lockdown="integrity")) == {}


def test_linux_6_1_has_no_tcx_and_lacks_nothing_but_a_tidy_death() -> None:
    found = judged(tcx=no("Invalid argument"), watch=Try(worked=True, said="clsact"))
    assert standings(found) == {"devices": "less"}
    assert "flantrace cleanup" in found["devices"].without


def test_linux_5_10_names_no_reasons() -> None:
    found = judged(
        tcx=no("Invalid argument"),
        watch=Try(worked=True, said="clsact"),
        reasons=no("Invalid argument"),
    )
    assert standings(found) == {"drops": "less", "devices": "less"}
    assert "5.17" in found["drops"].remedy


def test_linux_5_10_without_locked_memory_is_told_how_to_get_it() -> None:
    refused = no(EPERM)
    found = judged(seccomp=0, ring=refused, watch=no("no"))
    assert standings(found)["BPF"] == "missing"
    assert "--old-kernels" in found["BPF"].remedy


def test_a_filter_of_system_calls_is_suspected_where_the_rights_are_there() -> None:
    found = judged(seccomp=2, ring=no(EPERM), watch=no("no"))
    assert "seccomp" in found["BPF"].remedy


@pytest.mark.parametrize("name", ["BPF", "PERFMON", "NET_ADMIN"])
def test_without_a_right_to_watch_nothing_is_seen_and_that_right_is_the_first_cause(
    name: str,
) -> None:
    refused = no(EPERM)
    found = judged(
        capabilities=without(name, "SYS_ADMIN"),
        ring=refused, device_program=refused, memory_program=refused,
        tcx=refused, drops=refused, watch=refused,
    )  # fmt: skip
    first = next(item for item in found.values() if item.standing is Standing.MISSING)
    assert first.name == "rights"
    assert f"CAP_{name}" in first.said
    assert first.remedy
    others = [
        one for one in found.values() if one.standing is Standing.MISSING and one is not first
    ]
    assert not any(item.remedy for item in others), "one cause, one remedy"


def test_sys_admin_stands_for_the_rights_that_were_split_off_from_it() -> None:
    assert standings(judged(capabilities=without("BPF", "PERFMON", "NET_ADMIN"))) == {}


def test_an_agent_that_may_not_enter_pods_can_still_watch_them() -> None:
    found = judged(
        capabilities=without("SYS_ADMIN", "SYS_PTRACE"),
        namespaces=Namespaces(found=4, entered=0, said=EPERM),
    )
    assert standings(found) == {"rights": "less", "pods": "less"}
    assert "--passive" in found["rights"].without
    assert not found["pods"].remedy, "one cause, one remedy"


def test_namespaces_that_are_closed_to_an_agent_with_every_right_have_a_remedy() -> None:
    found = judged(namespaces=Namespaces(found=4, entered=1, said="Permission denied"))
    assert standings(found) == {"pods": "less"}
    assert "3 of 4" in found["pods"].said
    assert "--passive" in found["pods"].without


def test_pods_that_the_api_knows_and_the_agent_does_not_see_are_told_of() -> None:
    nothing = health(namespaces=Namespaces(found=0, entered=0))
    (found,) = [one for one in items(nothing, replaced(pods=3)) if one.name == "pods"]
    assert found.standing is Standing.LESS
    assert "hostPID" in found.remedy
    (alone,) = [one for one in items(nothing, replaced(pods=0)) if one.name == "pods"]
    assert (alone.standing, alone.said) == (Standing.OK, "no network namespace but the node's own")


def replaced(**parts: Any) -> Any:
    from msgspec.structs import replace

    return replace(ASKED, **parts)


def test_kernel_addresses_that_are_hidden_from_everybody_have_a_remedy_of_their_own() -> None:
    found = judged(kptr_restrict=2, symbols=no("every address is zero"))
    assert standings(found) == {"symbols": "less"}
    assert "kptr_restrict" in found["symbols"].remedy


@pytest.mark.parametrize(
    ("parts", "name", "word"),
    [
        ({"compiler": no("No module named 'bcc'"), "watch": no("no")}, "compiler", "python3-bpfcc"),
        ({"jit": 0}, "JIT", "bpf_jit_enable"),
        ({"raw_socket": no(EPERM)}, "probes", "as root"),
        ({"firewall": {"nft -j list ruleset": "not installed"}}, "firewall", "install nftables"),
        ({"subnet_env": False}, "flannel", "flanneld"),
        ({"vxlan_devices": ()}, "flannel", "vxlan"),
        ({"version": "0.0.9"}, "flantrace", "same version"),
        ({"protocol": 99}, "flantrace", "same version"),
        ({"tcx": no("x"), "watch": no("y")}, "devices", "CONFIG_NET_CLS_ACT"),
        ({"watch": no("the verifier's last words")}, "programs", "report"),
        (
            {"not_read": (NotRead(what="/etc/cni/net.d", why="Permission denied"),)},
            "files",
            "as root",
        ),
    ],
)
def test_what_is_missing_has_a_remedy(parts: dict[str, Any], name: str, word: str) -> None:
    found = judged(**parts)
    assert name in standings(found)
    assert word in found[name].remedy
    assert found[name].without


def test_a_file_that_this_kind_of_cluster_has_not_is_no_defect() -> None:
    absent = NotRead(what="/etc/kube-flannel/net-conf.json", why="No such file or directory")
    assert standings(judged(not_read=(absent,))) == {}


@pytest.mark.parametrize(("seconds", "words"), [(90.0, "ahead of"), (-90.0, "behind")])
def test_a_clock_that_differs_is_told_of(seconds: float, words: str) -> None:
    (found,) = [one for one in items(health(), replaced(clock_s=seconds)) if one.name == "clock"]
    assert found.standing is Standing.LESS
    assert found.said == f"90 s {words} ours"
