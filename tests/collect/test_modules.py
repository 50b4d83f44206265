"""What the files of a kernel say of VXLAN, and when they say nothing."""

from pathlib import Path

import pytest

from tests.builders import state
from tracer.collect.modules import vxlan_support
from tracer.model.state import Link

RELEASE = "6.1.0-18-amd64"
DEP = "kernel/drivers/net/vxlan/vxlan.ko{}: kernel/net/ipv6/ip6_udp_tunnel.ko kernel/net/udp.ko"
OTHER = "kernel/drivers/net/bonding/bonding.ko: kernel/net/tls/tls.ko"
USER = "kernel/net/sched/act_tunnel_key.ko: kernel/drivers/net/vxlan/vxlan.ko"
"""A module that needs another one does not contain it."""


def tree(root: Path, release: str = RELEASE, *, builtin: str = "", dep: str = "") -> str:
    """A machine's /lib/modules."""
    folder = root / "lib" / "modules" / release
    folder.mkdir(parents=True)
    (folder / "modules.builtin").write_text(f"kernel/fs/ext4/ext4.ko\n{builtin}\n")
    (folder / "modules.dep").write_text(f"{OTHER}\n{dep}\n")
    return str(root)


def asked(root: str, *links: Link) -> str | None:
    return vxlan_support(RELEASE, links, root)


@pytest.mark.parametrize("suffix", ["", ".xz", ".zst", ".gz"])
def test_a_module_that_can_be_loaded(suffix: str, tmp_path: Path) -> None:
    assert asked(tree(tmp_path, dep=DEP.format(suffix))) == "module"


@pytest.mark.parametrize("folder", ["kernel/drivers/net", "kernel/drivers/net/vxlan"])
def test_a_kernel_that_has_it_built_in(folder: str, tmp_path: Path) -> None:
    assert asked(tree(tmp_path, builtin=f"{folder}/vxlan.ko")) == "builtin"


def test_a_kernel_without_it(tmp_path: Path) -> None:
    assert asked(tree(tmp_path)) == "missing"
    assert asked(tree(tmp_path / "needed", dep=USER)) == "missing"


def test_an_image_without_the_running_kernels_modules_tells_nothing(tmp_path: Path) -> None:
    assert asked(str(tmp_path)) is None
    assert asked(tree(tmp_path, "5.10.0-1-amd64", dep=DEP)) is None


def test_half_of_the_lists_cannot_say_that_it_is_missing(tmp_path: Path) -> None:
    root = tree(tmp_path)
    (tmp_path / "lib/modules" / RELEASE / "modules.builtin").unlink()
    assert asked(root) is None


def test_the_merged_tree_is_read_too(tmp_path: Path) -> None:
    tree(tmp_path, dep=DEP.format(""))
    (tmp_path / "usr").mkdir()
    (tmp_path / "lib").rename(tmp_path / "usr/lib")
    assert asked(str(tmp_path)) == "module"


@pytest.mark.parametrize(("file", "word"), [("initstate", "loaded"), ("version", "builtin")])
def test_what_the_kernel_itself_shows_counts_before_files(
    file: str, word: str, tmp_path: Path
) -> None:
    root = tree(tmp_path)
    (tmp_path / "sys/module/vxlan").mkdir(parents=True)
    (tmp_path / "sys/module/vxlan" / file).write_text("")
    assert asked(root) == word


def test_a_device_proves_it_whatever_the_files_say(tmp_path: Path) -> None:
    assert asked(tree(tmp_path), *state("node-a").links) == "loaded"
