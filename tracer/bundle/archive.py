"""A bundle as one file: a compressed archive of plain, greppable files.

flantrace-TIME/bundle.json          format, request, agents, probes, troubles
flantrace-TIME/cluster.json         nodes with flannel's annotations, pods, net-conf
flantrace-TIME/nodes/NODE.json      one node's state
flantrace-TIME/observations.jsonl   one observation a line, in order of arrival
"""

import contextlib
import gzip
import io
import os
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from tracer.bundle import codec
from tracer.bundle.migrate import lifted
from tracer.bundle.unpack import DEFAULT_LIMIT, texts
from tracer.errors import BadBundle, UsageError
from tracer.model.bundle import AgentReport, Bundle, Trouble
from tracer.model.cluster import ClusterState
from tracer.model.message import Datagram, Sent
from tracer.model.observation import Observation
from tracer.model.record import Record
from tracer.model.request import Request
from tracer.model.state import NodeState


class _Head(Record, frozen=True, kw_only=True):
    """bundle.json: all of a bundle that has no file of its own."""

    format: int
    tool_version: str
    created_at: str
    request: Request
    agents: Mapping[str, AgentReport] = {}
    sent: tuple[Sent, ...] = ()
    datagrams: tuple[Datagram, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    redacted: bool = False


_HEAD_FIELDS = _Head.__struct_fields__


def write(bundle: Bundle, path: Path) -> None:
    """Write the bundle whole or not at all, also when interrupted. UsageError if it cannot be."""
    try:
        directory = path.parent if str(path.parent) else Path()
        handle, scratch = tempfile.mkstemp(prefix=f".{path.name}.", dir=directory)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(packed(bundle))
                file.flush()
                os.fsync(file.fileno())
            umask = os.umask(0)
            os.umask(umask)
            Path(scratch).chmod(0o666 & ~umask)
            Path(scratch).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(scratch).unlink()
            raise
    except OSError as error:
        raise UsageError(
            f"cannot write the bundle: {error.strerror or error}",
            where=str(path),
            hint="pass --save a file in a folder that exists and that you may write to",
        ) from None


def check_target(path: Path) -> None:
    """UsageError before anything is recorded, if a bundle could not be written there."""
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise UsageError(
            f"cannot write the bundle to {path}",
            where="--save",
            hint="pass --save a file in a folder that exists and that you may write to",
        )


def packed(bundle: Bundle) -> bytes:
    """The archive's bytes. The same bundle gives the same bytes: no clock, no user, no host."""
    moment = int(datetime.fromisoformat(bundle.created_at).timestamp())
    top = "flantrace-" + bundle.created_at.replace("-", "").replace(":", "").split(".")[0]
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", mtime=moment, compresslevel=6) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, text in _files(bundle):
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size = len(text)
            member.mtime = moment
            archive.addfile(member, io.BytesIO(text))
    return buffer.getvalue()


def _files(bundle: Bundle) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file, in the order in which a reader wants them."""
    head = _Head(**{name: getattr(bundle, name) for name in _HEAD_FIELDS})
    yield "bundle.json", codec.document(head)
    yield "cluster.json", codec.document(bundle.cluster)
    for node, state in sorted(bundle.nodes.items()):
        yield f"nodes/{node}.json", codec.document(state)
    yield "observations.jsonl", b"".join(codec.line(one) for one in bundle.observations)


def read(path: Path, limit: int = DEFAULT_LIMIT) -> Bundle:
    """The bundle in a file, of any format up to today's. BadBundle says what is wrong with it."""
    files = lifted(texts(path, limit), path.name)
    name = "bundle.json"
    try:
        head = codec.read(files[name], _Head)
        name = "cluster.json"
        cluster = codec.read(files[name], ClusterState)
        nodes = {}
        for name in sorted(files):
            if name.startswith("nodes/") and name.endswith(".json"):
                nodes[name[len("nodes/") : -len(".json")]] = codec.read(files[name], NodeState)
        name = "observations.jsonl"
        lines = files.get(name, b"").splitlines()
        observations = tuple(codec.read(text, Observation) for text in lines if text)
    except KeyError:
        raise BadBundle(
            f"{path.name} is damaged: it has no {name}", where=str(path), hint="copy it again"
        ) from None
    except (codec.DecodeError, RecursionError) as error:
        raise BadBundle(
            f"{path.name} is damaged: {name}: {error}", where=str(path), hint="copy it again"
        ) from None
    return Bundle(
        cluster=cluster,
        nodes=nodes,
        observations=observations,
        **{field: getattr(head, field) for field in _HEAD_FIELDS},
    )
