"""Container images for the cluster, made of files of this machine: no engine, no registry."""

import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from cluster.build import FLANNEL, programs
from cluster.shell import run

BOX = "localhost/box:1"
FLANNEL_IMAGE = f"localhost/flannel:{FLANNEL}"
BUSYBOX = Path("/usr/bin/busybox")
_WAIT = ["/bin/sh", "-c", "trap 'exit 0' TERM INT; while :; do sleep 3600 & wait $!; done"]


def box() -> bytes:
    """busybox, for pods and for the pause container: an OCI archive with both names."""
    files = {"bin/busybox": BUSYBOX}
    applets = run([BUSYBOX, "--list"]).split()
    links = {f"bin/{name}": "busybox" for name in applets if name != "busybox"}
    return archive((BOX, "localhost/pause:1"), files, links, _WAIT)


def flannel() -> bytes:
    """flanneld, its CNI plugin and install-conf where flannel's images have them, and iptables."""
    built = programs()
    files = {
        "opt/bin/flanneld": built / "flanneld",
        "opt/bin/install-conf": built / "install-conf",
        "flannel": built / "flannel-cni",
        "bin/busybox": BUSYBOX,
    }
    links = {f"bin/{name}": "busybox" for name in ("sh", "cp", "cat", "ls", "sleep")}
    for tool in ("xtables-nft-multi", "xtables-legacy-multi", "nft", "ip"):
        found = shutil.which(tool, path="/usr/sbin:/sbin:/usr/bin:/bin")
        assert found is not None, f"{tool} is not installed"
        files[f"usr/sbin/{tool}"] = Path(found).resolve()
    for family in ("iptables", "ip6tables"):
        for suffix in ("", "-save", "-restore"):
            links[f"usr/sbin/{family}{suffix}"] = "xtables-nft-multi"
            links[f"usr/sbin/{family}-nft{suffix}"] = "xtables-nft-multi"
            links[f"usr/sbin/{family}-legacy{suffix}"] = "xtables-legacy-multi"
    for folder in Path("/usr/lib").glob("*/xtables"):
        files |= {str(one).lstrip("/"): one for one in folder.iterdir()}
    files |= _libraries(files.values())
    return archive((FLANNEL_IMAGE,), files, links, ["/opt/bin/flanneld"])


def archive(
    names: Iterable[str], files: Mapping[str, Path], links: Mapping[str, str], command: list[str]
) -> bytes:
    """An OCI archive that `ctr images import` takes: one layer, one image, these names."""
    layer = _tar(
        {**{path: source.read_bytes() for path, source in files.items()}},
        links,
        ("tmp", "run", "etc", "var"),
    )
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": command, "Env": ["PATH=/opt/bin:/usr/sbin:/usr/bin:/sbin:/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
    }
    blobs = {_digest(layer): layer}

    def blob(value: object, kind: str) -> dict[str, object]:
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        blobs[_digest(content)] = content
        return {"mediaType": kind, "digest": _digest(content), "size": len(content)}

    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob(config, "application/vnd.oci.image.config.v1+json"),
        "layers": [blob(layer, "application/vnd.oci.image.layer.v1.tar")],
    }
    described = blob(manifest, "application/vnd.oci.image.manifest.v1+json")
    index = {
        "schemaVersion": 2,
        "manifests": [
            {**described, "annotations": {"io.containerd.image.name": name}} for name in names
        ],
    }
    content = {f"blobs/{digest.replace(':', '/')}": data for digest, data in blobs.items()}
    content["index.json"] = json.dumps(index).encode()
    content["oci-layout"] = b'{"imageLayoutVersion":"1.0.0"}'
    return _tar(content, {}, ())


def _libraries(programs: Iterable[Path]) -> dict[str, Path]:
    """The shared objects that programs need, the loader among them."""
    found: dict[str, Path] = {}
    for program in programs:
        if program.read_bytes()[:4] != b"\x7fELF":
            continue
        for word in run(["sh", "-c", 'ldd "$1" 2>/dev/null || true', "sh", program]).split():
            if word.startswith("/"):
                found[word.lstrip("/")] = Path(word).resolve()
    return found


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _tar(files: Mapping[str, bytes], links: Mapping[str, str], folders: Iterable[str]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for folder in folders:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        for path, data in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(data), 0o755
            tar.addfile(entry, io.BytesIO(data))
        for path, target in links.items():
            entry = tarfile.TarInfo(path)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
    return stream.getvalue()
