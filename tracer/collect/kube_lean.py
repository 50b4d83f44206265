"""The API by urllib3 alone, for a watch: of the official client's 21 MB none stay for days.

What it knows and urllib3 does not, a child process reads and hands over: kubeconfigs, contexts,
exec plugins, service accounts (collect/kube_identity.py). Where credentials are refused, or the
server's certificate is, they are read anew: tokens expire, and certificates are changed.
"""

from __future__ import annotations

import contextlib
import json
import os
import ssl
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tracer.collect import handed
from tracer.collect.kube_client import CONNECTIONS, Client
from tracer.collect.kube_errors import no_config
from tracer.collect.kube_identity import Asked, Identity

ANEW_EVERY_S = 20.0
"""Credentials that stay refused are not read more often: a child takes a second of a CPU."""


class _Session(NamedTuple):
    """Connections to a server, as somebody."""

    server: str
    pool: Any
    headers: dict[str, str]
    said: str
    read_s: float
    """When, by CLOCK_MONOTONIC."""


class Lean:
    """One API server, without the package `kubernetes` in this process."""

    def __init__(self, kubeconfig: str | None, context: str | None) -> None:
        """CollectFailed: there is no configuration, or it cannot be read."""
        self._kubeconfig = kubeconfig
        self._context = context
        self._lock = threading.Lock()
        self._session = self._read()
        _say(self._session.said)

    @property
    def server(self) -> str:
        """Its URL."""
        return self._session.server

    def sent(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: dict[str, Any] | None,
        timeout_s: float | tuple[float, float],
    ) -> Any:
        """As Transport says. What is refused for its credentials is sent again with new ones."""
        from urllib3.exceptions import SSLError

        session = self._session
        try:
            answer = _sent(session, method, path, headers, body, timeout_s)
        except SSLError:
            again = self._anew(session)
            if again is session:
                raise
        else:
            again = self._anew(session) if answer.status == 401 else session
            if again is session:
                return answer
            answer.close()
        return _sent(again, method, path, headers, body, timeout_s)

    def websocket(self, path: str, protocol: str) -> Any:
        """As Transport says; by the official client, which is in this process from then on."""
        return Client(self._kubeconfig, self._context).websocket(path, protocol)

    def _anew(self, refused: _Session) -> _Session:
        """Another session in the refused one's place; the same while it is too early for that.

        CollectFailed: what is to be read is away.
        """
        with self._lock:
            early = time.monotonic() - refused.read_s < ANEW_EVERY_S
            if self._session is refused and not early:
                self._session = self._read()
                if self._session.said != refused.said:
                    _say(self._session.said)
            return self._session

    def _read(self) -> _Session:
        asked = Asked(kubeconfig=self._kubeconfig, context=self._context)
        text, fds = handed.handed_over(
            "tracer.collect.kube_identity",
            msgspec.json.encode(asked),
            doing="read the kubeconfig",
        )
        with contextlib.ExitStack() as stack:
            for fd in fds:
                stack.callback(os.close, fd)
            answer = msgspec.json.decode(text, type=Identity | handed.Refused)
            if isinstance(answer, handed.Refused):
                raise answer.error()
            files = dict(zip(answer.files, map("/proc/self/fd/{}".format, fds), strict=True))
            try:
                return _session(answer, files)
            except (OSError, ValueError) as error:  # of ssl, and of urllib3 for a URL
                why = f"it cannot be used: {error}"
                raise no_config(self._kubeconfig, self._context, why) from None


def _sent(
    session: _Session,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: dict[str, Any] | None,
    timeout_s: float | tuple[float, float],
) -> Any:
    from urllib3 import Timeout

    if isinstance(timeout_s, tuple):
        timeout = Timeout(connect=timeout_s[0], read=timeout_s[1])
    else:
        timeout = Timeout(total=timeout_s)
    return session.pool.request(
        method,
        f"{session.server}{path}",
        headers={**session.headers, **headers},
        body=None if body is None else json.dumps(body),
        timeout=timeout,
        preload_content=False,
        retries=False,
    )


def _session(identity: Identity, files: Mapping[str, str]) -> _Session:
    """OSError, ValueError: what was read cannot be used."""
    from urllib3 import PoolManager, ProxyManager

    headers = {"User-Agent": "flantrace"}
    if "authorization" in files:
        headers["authorization"] = Path(files["authorization"]).read_text().strip()
    how: dict[str, Any] = {"maxsize": CONNECTIONS}
    if identity.server.startswith("https"):
        how["ssl_context"] = _tls(identity, files)
    if identity.server_name:
        how["server_hostname"] = identity.server_name
    pool = ProxyManager(identity.proxy, **how) if identity.proxy else PoolManager(**how)
    return _Session(identity.server, pool, headers, identity.said, time.monotonic())


def _tls(identity: Identity, files: Mapping[str, str]) -> ssl.SSLContext:
    from urllib3.util.ssl_ import create_urllib3_context

    context = create_urllib3_context(
        cert_reqs=ssl.CERT_REQUIRED if identity.verified else ssl.CERT_NONE
    )
    if "ca" in files:
        context.load_verify_locations(files["ca"])
    elif identity.verified:
        context.load_default_certs()
    if "certificate" in files:
        context.load_cert_chain(files["certificate"], files.get("key"))
    return context


def _say(said: str) -> None:
    """The official client says it there, too."""
    if said:
        sys.stderr.write(f"{said}\n")
