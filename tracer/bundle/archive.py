"""A bundle as one file: a compressed archive of plain, greppable files.

flantrace-TIME/bundle.json          format, request, agents, probes, troubles
flantrace-TIME/cluster.json         nodes with flannel's annotations, pods, net-conf
flantrace-TIME/nodes/NODE.json      one node's state
flantrace-TIME/observations.jsonl   one observation a line, in order of arrival
"""

import gzip
import io
import re
import tarfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from tracer.bundle import codec
from tracer.bundle.codec import AnyRecord
from tracer.bundle.limits import MOST_OBSERVATIONS, check
from tracer.bundle.migrate import Texts, lifted, version
from tracer.bundle.unpack import DEFAULT_LIMIT, members
from tracer.bundle.whole import write_whole
from tracer.errors import BadBundle
from tracer.model.bundle import FORMAT, AgentReport, Bundle, Trouble
from tracer.model.cluster import ClusterState
from tracer.model.message import Datagram, Sent
from tracer.model.observation import Observation
from tracer.model.record import Record
from tracer.model.request import CheckRequest, Request
from tracer.model.state import NodeState
from tracer.model.watch import Watched


class _Head(Record, frozen=True, kw_only=True):
    """bundle.json: all of a bundle that has no file of its own."""

    format: int
    tool_version: str
    created_at: str
    request: Request | None = None
    check: CheckRequest | None = None
    agents: Mapping[str, AgentReport] = {}
    sent: tuple[Sent, ...] = ()
    datagrams: tuple[Datagram, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    watched: Watched | None = None
    redacted: bool = False


OBSERVATIONS = "observations.jsonl"
_NODE = re.compile(r"nodes/.+\.json", re.DOTALL)
_HEAD_FIELDS = _Head.__struct_fields__


def write(bundle: Bundle, path: Path) -> None:
    """Write the bundle whole or not at all. UsageError if it cannot be."""
    write_whole(path, packed(bundle), what="the bundle", option="--save")


def top_of(bundle: Bundle) -> str:
    """The archive's folder, `flantrace-20261123T031207Z`: a bundle's name where none was given."""
    moment = datetime.fromisoformat(bundle.created_at).astimezone(UTC)
    return f"flantrace-{moment:%Y%m%dT%H%M%SZ}"


def packed(bundle: Bundle) -> bytes:
    """The archive's bytes. The same bundle gives the same bytes: no clock, no user, no host."""
    moment = int(datetime.fromisoformat(bundle.created_at).timestamp())
    top = top_of(bundle)
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
    yield OBSERVATIONS, b"".join(codec.line(one) for one in bundle.observations)


def read(path: Path, limit: int = DEFAULT_LIMIT) -> Bundle:
    """The bundle in a file, of any format up to today's. BadBundle says what is wrong with it."""
    kept: Texts = {}
    nodes: dict[str, NodeState] = {}
    today = False
    for name, text in members(path, limit):
        # Thousands of nodes: in today's format each text is let go as soon as it is read.
        if today and _NODE.fullmatch(name):
            nodes[_node(name)] = _decoded(path, name, text, NodeState)
        else:
            kept[name] = text
            today = today or (name == "bundle.json" and version(text, path.name) == FORMAT)
    files = lifted(kept, path.name)
    for name, text in files.items():
        if _NODE.fullmatch(name):
            nodes[_node(name)] = _decoded(path, name, text, NodeState)
    lines = files.get(OBSERVATIONS, b"").splitlines()[: MOST_OBSERVATIONS + 1]
    head = _decoded(path, "bundle.json", files.get("bundle.json"), _Head)
    bundle = Bundle(
        cluster=_decoded(path, "cluster.json", files.get("cluster.json"), ClusterState),
        nodes=dict(sorted(nodes.items())),
        observations=tuple(
            _decoded(path, OBSERVATIONS, text, Observation) for text in lines if text
        ),
        **{field: getattr(head, field) for field in _HEAD_FIELDS},
    )
    return check(bundle, path.name)


def _node(name: str) -> str:
    return name[len("nodes/") : -len(".json")]


def _decoded(path: Path, name: str, text: bytes | None, kind: type[AnyRecord]) -> AnyRecord:
    if text is None:
        raise BadBundle(
            f"{path.name} is damaged: it has no {name}", where=str(path), hint="copy it again"
        )
    try:
        return codec.read(text, kind)
    except codec.DECODE_ERRORS as error:
        raise BadBundle(
            f"{path.name} is damaged: {name}: {error}", where=str(path), hint="copy it again"
        ) from None
