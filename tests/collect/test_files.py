"""Files on the node are read as if an enemy had written them."""

import os
from pathlib import Path

import pytest

from tracer.collect.files import BYTES_PER_FILE, FILES_PER_FOLDER, files, host_local

SUBNET_ENV = "/run/flannel/subnet.env"
CNI = "/etc/cni/net.d"
RESERVED = "/var/lib/cni/networks/cbr0"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in (
        "run/flannel",
        "etc/cni/net.d",
        "var/lib/cni/flannel",
        "var/lib/cni/networks/cbr0",
    ):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def put(root: Path, path: str, data: bytes) -> None:
    (root / path.lstrip("/")).write_bytes(data)


def notes(root: Path) -> dict[str, str]:
    return {one.what: one.why for one in files(str(root))[1]}


def test_what_flannel_and_the_cni_wrote_is_there_as_it_was_written(root: Path) -> None:
    put(root, SUBNET_ENV, b"FLANNEL_MTU=1450\n")
    put(root, f"{CNI}/10-flannel.conflist", b"{}")
    put(root, "/var/lib/cni/flannel/0123abcd", b'{"mtu":1450}')
    assert files(str(root))[0] == {
        SUBNET_ENV: "FLANNEL_MTU=1450\n",
        f"{CNI}/10-flannel.conflist": "{}",
        "/var/lib/cni/flannel/0123abcd": '{"mtu":1450}',
    }
    assert SUBNET_ENV not in notes(root)


MANIFEST = "/etc/kubernetes/manifests/kube-controller-manager.yaml"


def test_of_the_controller_managers_manifest_two_flags_are_kept(root: Path) -> None:
    (root / "etc/kubernetes/manifests").mkdir(parents=True)
    text = b"""spec: {containers: [{command: [kube-controller-manager,
    "--cluster-cidr=10.244.0.0/16", "--root-ca-file=/etc/kubernetes/pki/ca.crt"],
    env: [{name: TOKEN, value: s3cr3t}]}]}
    """
    put(root, MANIFEST, text)
    assert files(str(root))[0] == {MANIFEST: "--cluster-cidr=10.244.0.0/16\n"}
    put(root, MANIFEST, b"- --v=2\n")
    assert files(str(root))[0] == {MANIFEST: ""}


def test_a_node_without_any_of_them_has_only_notes(tmp_path: Path) -> None:
    found, missing = files(str(tmp_path))
    assert found == {}
    why = {one.what: one.why for one in missing}
    assert why[SUBNET_ENV] == why[CNI] == why[MANIFEST] == "No such file or directory"


def test_kubeconfigs_beside_the_cni_configuration_are_not_read(root: Path) -> None:
    put(root, f"{CNI}/calico-kubeconfig", b"token: secret")
    (root / "etc/cni/net.d/multus.d").mkdir()
    put(root, f"{CNI}/multus.d/multus.kubeconfig", b"token: secret")
    found, missing = files(str(root))
    assert "secret" not in str(found) + str(missing)


def test_a_huge_file_is_cut_and_noted(root: Path) -> None:
    put(root, SUBNET_ENV, b"A" * (BYTES_PER_FILE * 3))
    assert files(str(root))[0][SUBNET_ENV] == "A" * BYTES_PER_FILE
    assert notes(root)[SUBNET_ENV] == f"cut after {BYTES_PER_FILE} bytes"


def test_a_file_of_just_the_limit_is_whole(root: Path) -> None:
    put(root, SUBNET_ENV, b"A" * BYTES_PER_FILE)
    assert len(files(str(root))[0][SUBNET_ENV]) == BYTES_PER_FILE
    assert SUBNET_ENV not in notes(root)


def test_a_binary_file_is_kept_as_far_as_it_is_text_and_noted(root: Path) -> None:
    put(root, SUBNET_ENV, b"FLANNEL\0\xff\xfe=1")
    assert files(str(root))[0][SUBNET_ENV] == "FLANNEL\0\ufffd\ufffd=1"
    assert notes(root)[SUBNET_ENV] == "not a text: it holds zero bytes"


def test_a_pipe_without_a_writer_does_not_hold_us_up(root: Path) -> None:
    os.mkfifo(root / SUBNET_ENV.lstrip("/"))
    assert SUBNET_ENV not in files(str(root))[0]
    assert notes(root)[SUBNET_ENV] == "not a regular file"


def test_a_link_to_nowhere_and_a_loop_are_notes(root: Path) -> None:
    (root / "etc/cni/net.d/a.conf").symlink_to("/nonexistent/of/course")
    (root / "etc/cni/net.d/b.conf").symlink_to("b.conf")
    assert notes(root)[f"{CNI}/a.conf"] == "No such file or directory"
    assert "symbolic links" in notes(root)[f"{CNI}/b.conf"]


def test_of_too_many_files_the_first_are_read_and_the_rest_noted(root: Path) -> None:
    for number in range(FILES_PER_FOLDER + 3):
        put(root, f"/var/lib/cni/flannel/{number:05}", b"{}")
    assert len(files(str(root))[0]) == FILES_PER_FOLDER
    why = notes(root)["/var/lib/cni/flannel"]
    assert why == f"{FILES_PER_FOLDER + 3} files, only {FILES_PER_FOLDER} were read"


def test_reservations_are_the_files_named_by_an_address(root: Path) -> None:
    put(root, f"{RESERVED}/10.244.1.5", b"0123abcd\r\neth0")
    put(root, f"{RESERVED}/fd00:1::5", b"0123abcd\r\neth0")
    put(root, f"{RESERVED}/last_reserved_ip.0", b"10.244.1.5")
    put(root, f"{RESERVED}/lock", b"")
    found, missing = host_local(str(root))
    assert found == {"10.244.1.5": "0123abcd\r\neth0", "fd00:1::5": "0123abcd\r\neth0"}
    assert missing == []
