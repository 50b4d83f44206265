"""A real Prometheus that scrapes every second, asked by its API."""

import json
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.promtool import needed
from tests.watching.deployed import RULES

Row = tuple[dict[str, str], float]


class Prometheus:
    """At a port of its own, on the loopback."""

    def __init__(self, port: int) -> None:
        self.port = port

    def get(self, path: str, **words: str) -> Any:
        """`data` of an answer; an error of Prometheus' is one."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(words)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{words}: {error.read().decode()}") from error

    def query(self, expression: str) -> list[Row]:
        """Labels and value of each series, now."""
        found = self.get("query", query=expression)["result"]
        return [(row["metric"], float(row["value"][1])) for row in found]

    def until(
        self, expression: str, holds: Callable[[list[Row]], bool], seconds: float = 30
    ) -> None:
        """Wait; an AssertionError tells the last answer."""
        end = time.monotonic() + seconds
        while not holds(rows := self.query(expression)):
            assert time.monotonic() < end, f"{expression}: {rows}"
            time.sleep(0.25)


@contextmanager
def running(folder: Path, targets: list[str]) -> Iterator[Prometheus]:
    """One that scrapes these, with flantrace's rules."""
    binary = needed("prometheus")
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [{"job_name": "flantrace", "static_configs": [{"targets": targets}]}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [
        binary,
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(words, cwd=folder, stdout=log, stderr=log)
    try:
        _wait_for(port, process, folder / "log")
        yield Prometheus(port)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=5).close()
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        else:
            return
