"""Files that flannel and the CNI plugins left on the node: cut where they are too big to be theirs.

What another program wrote there is hostile until read: any size, any bytes, any kind of file.
"""

import ipaddress
import os
import stat
from collections.abc import Iterator

from tracer.core.controller import MANIFEST, reduced
from tracer.core.credentials import without_credentials
from tracer.core.leases import NET_CONF_FILES
from tracer.model.state import NotRead

BYTES_PER_FILE = 64 * 1024
FILES_PER_FOLDER = 512
RESERVATIONS = 4096

SINGLE = ("/run/flannel/subnet.env", *NET_CONF_FILES)
CNI_FOLDERS = ("/etc/cni/net.d", "/var/lib/rancher/k3s/agent/etc/cni/net.d")
CNI_SUFFIXES = (".conf", ".conflist", ".json")
"""What libcni loads; beside these, the folder holds other CNIs' kubeconfigs with their tokens."""
DELEGATES = "/var/lib/cni/flannel"
HOST_LOCAL = "/var/lib/cni/networks/cbr0"


def files(root: str = "") -> tuple[dict[str, str], list[NotRead]]:
    """Path -> text of flannel's and the CNI's files under `root`, and what could not be read.

    Of kube-controller-manager's manifest two flags are kept, and nothing else.
    """
    found: dict[str, str] = {}
    missing: list[NotRead] = []
    paths = list(SINGLE)
    for folder in CNI_FOLDERS:
        names = _listing(root, folder, missing)
        paths += [f"{folder}/{name}" for name in names if name.endswith(CNI_SUFFIXES)]
    paths += [f"{DELEGATES}/{name}" for name in _listing(root, DELEGATES, missing)]
    for path in (*paths, MANIFEST):
        _read(root, path, path, found, missing)
    if MANIFEST in found:
        found[MANIFEST] = reduced(found[MANIFEST])
    return found, missing


def host_local(root: str = "") -> tuple[dict[str, str], list[NotRead]]:
    """Reserved pod address -> text of its file: container id, CR LF, interface.

    host-local keeps one file an address, beside `lock` and `last_reserved_ip.N`
    (plugins/ipam/host-local/backend/disk/backend.go).
    """
    found: dict[str, str] = {}
    missing: list[NotRead] = []
    for name in _listing(root, HOST_LOCAL, missing, limit=RESERVATIONS):
        if _is_ip(name):
            _read(root, f"{HOST_LOCAL}/{name}", name, found, missing)
    return found, missing


def _listing(
    root: str, folder: str, missing: list[NotRead], limit: int = FILES_PER_FOLDER
) -> list[str]:
    """Names in a folder, sorted; the first `limit` of them."""
    try:
        names = sorted(os.listdir(root + folder))
    except OSError as error:
        missing.append(NotRead(what=folder, why=error.strerror or str(error)))
        return []
    if len(names) > limit:
        missing.append(NotRead(what=folder, why=f"{len(names)} files, only {limit} were read"))
    return names[:limit]


def _read(root: str, path: str, key: str, found: dict[str, str], missing: list[NotRead]) -> None:
    """Put one file's text under `key`; note what is wrong with it."""
    try:
        data = _bytes(root + path)
    except IsADirectoryError:
        return  # a folder among the files: none of ours
    except OSError as error:
        missing.append(NotRead(what=path, why=error.strerror or str(error)))
        return
    found[key] = without_credentials(data[:BYTES_PER_FILE].decode("utf-8", "replace"))
    for why in _defects(data):
        missing.append(NotRead(what=path, why=why))


def _bytes(path: str) -> bytes:
    """One byte more than we keep, so that a cut is noticed. Never waits for a FIFO's writer."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(fd, "rb") as file:
        mode = os.fstat(fd).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError
        if not stat.S_ISREG(mode):
            raise OSError(0, "not a regular file")
        return file.read(BYTES_PER_FILE + 1)


def _defects(data: bytes) -> Iterator[str]:
    if len(data) > BYTES_PER_FILE:
        yield f"cut after {BYTES_PER_FILE} bytes"
    if b"\0" in data:
        yield "not a text: it holds zero bytes"


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
