"""The process that reads which API server is meant, and as whom to ask it, and hands that over.

    python -m tracer.collect.kube_identity SOCKET

Started by collect/kube_lean.py. The official client takes 21 MB, and exec plugins run below it:
they go with it. Secrets are handed over as descriptors of memory, and lie in no file of ours.
"""

import logging
import os
import socket
import sys
from pathlib import Path

import msgspec

from tracer.collect import handed, kube_client
from tracer.collect.kube_errors import no_config
from tracer.errors import FlantraceError
from tracer.model.record import Record


class Asked(Record, frozen=True):
    """Whose."""

    kubeconfig: str | None
    """None: as kubectl looks."""
    context: str | None


class Identity(Record, frozen=True, tag="identity"):
    """A server, and how to get to it. The descriptors beside it are named in `files`."""

    server: str
    verified: bool
    """Whether its certificate is checked."""
    server_name: str
    """That its certificate is for, where this is not the server's host; else empty."""
    proxy: str
    """A URL; empty: none."""
    files: tuple[str, ...]
    """Of: authorization (a header's value), ca, certificate, key (PEM)."""
    said: str
    """What the client complained about: of an exec plugin that fails, why."""


def read(asked: Asked, complaints: list[str]) -> tuple[Identity, list[int]]:
    """The identity, and the descriptors in the order of its files. CollectFailed."""
    found = kube_client.configured(asked.kubeconfig, asked.context)
    contents = {"authorization": kube_client.authorization(found).encode()}
    paths = {"ca": found.ssl_ca_cert, "certificate": found.cert_file, "key": found.key_file}
    for name, path in paths.items():
        try:
            contents[name] = Path(path).read_bytes() if path else b""
        except OSError as error:
            why = f"{path}: {error.strerror}"
            raise no_config(asked.kubeconfig, asked.context, why) from None
    there = {name: content for name, content in contents.items() if content}
    identity = Identity(
        server=str(found.host),
        verified=bool(found.verify_ssl),
        server_name=str(found.tls_server_name or ""),
        proxy=kube_client.proxy(found),
        files=tuple(there),
        said="; ".join(complaints),
    )
    return identity, [_in_memory(name, content) for name, content in there.items()]


def _in_memory(name: str, content: bytes) -> int:
    fd = os.memfd_create(name)
    with os.fdopen(os.dup(fd), "wb") as file:
        file.write(content)
    return fd


class _Kept(logging.Handler):
    """What is logged, as text."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


def main() -> None:
    """Take the order, answer it, and end as usual: the client removes its temporary files."""
    kept = _Kept()
    logging.basicConfig(handlers=[kept])
    with socket.socket(fileno=int(sys.argv[1])) as parent:
        asked = msgspec.json.decode(parent.recv(handed.LARGEST), type=Asked)
        try:
            answer, fds = read(asked, kept.said)
        except FlantraceError as error:
            handed.hand_over(parent, msgspec.json.encode(handed.Refused.of(error)), [])
        else:
            handed.hand_over(parent, msgspec.json.encode(answer), fds)


if __name__ == "__main__":
    main()
