"""Layers -> an OCI image in one archive, which docker's older loaders read as well.

Formats: the OCI image specification 1.1 (image-layout, manifest, config), and docker's own
manifest.json, which names the same blobs.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from tools.image.layer import Layer

_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


class Image(NamedTuple):
    """An archive, and the manifest's digest by which a registry would know the image."""

    archive: bytes
    digest: str


def image(
    layers: Sequence[Layer], name: str, labels: Mapping[str, str], *, architecture: str, epoch: int
) -> Image:
    """The image `name`, which runs `flantrace idle` unless told otherwise."""
    config = _json(_config(layers, labels, architecture, epoch))
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _described(_CONFIG, config),
            "layers": [_described(_LAYER, one.blob) for one in layers],
            "annotations": dict(labels),
        }
    )
    index = {
        "schemaVersion": 2,
        "mediaType": _INDEX,
        "manifests": [
            _described(_MANIFEST, manifest)
            | {
                "platform": {"architecture": architecture, "os": "linux"},
                "annotations": {
                    "io.containerd.image.name": name,
                    "org.opencontainers.image.ref.name": name,
                },
            }
        ],
    }
    for_docker = [
        {
            "Config": _path(config),
            "RepoTags": [name],
            "Layers": [_path(one.blob) for one in layers],
        }
    ]
    files = {_path(data): data for data in (config, manifest, *(one.blob for one in layers))}
    files["index.json"] = _json(index)
    files["manifest.json"] = _json(for_docker)
    files["oci-layout"] = _json({"imageLayoutVersion": "1.0.0"})
    return Image(_tar(files, epoch), f"sha256:{hashlib.sha256(manifest).hexdigest()}")


def moment(epoch: int) -> str:
    """Seconds since 1970 in the form of RFC 3339."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _config(
    layers: Sequence[Layer], labels: Mapping[str, str], architecture: str, epoch: int
) -> dict[str, object]:
    return {
        "architecture": architecture,
        "os": "linux",
        "created": moment(epoch),
        "config": {
            "User": "0:0",
            "Env": [
                "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                "LANG=C.UTF-8",
                "PYTHONDONTWRITEBYTECODE=1",
            ],
            "Entrypoint": ["/usr/bin/flantrace"],
            "Cmd": ["idle"],
            "WorkingDir": "/tmp",
            "Labels": dict(labels),
            "StopSignal": "SIGTERM",
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{one.diff_id}" for one in layers]},
        "history": [{"created": moment(epoch), "created_by": one.made_by} for one in layers],
    }


def _described(kind: str, data: bytes) -> dict[str, object]:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return {"mediaType": kind, "digest": digest, "size": len(data)}


def _path(data: bytes) -> str:
    return f"blobs/sha256/{hashlib.sha256(data).hexdigest()}"


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _tar(files: Mapping[str, bytes], epoch: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in ("blobs", "blobs/sha256"):
            folder = tarfile.TarInfo(f"{path}/")
            folder.type, folder.mode, folder.mtime = tarfile.DIRTYPE, 0o755, epoch
            archive.addfile(folder)
        for path, data in sorted(files.items()):
            info = tarfile.TarInfo(path)
            info.size, info.mtime = len(data), epoch
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()
