"""An agent waits for an operator that reads slowly, and not for one that is gone."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tracer.agent import Agent
from tracer.bundle import codec
from tracer.collect import operator
from tracer.collect.operator import Silence
from tracer.model.message import Beat, Problem

LARGE = Problem(what="x" * (1 << 20), hint="")
"""More than a pipe holds."""


class Piped:
    """An agent between two pipes; `order` and `answers` are the operator's ends."""

    def __init__(self) -> None:
        inside, self.order = os.pipe()
        self.answers, outside = os.pipe()
        self.files = [inside, self.order, self.answers, outside]
        os.set_blocking(inside, False)
        self.agent = Agent(inside, outside)


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> Iterator[Piped]:
    monkeypatch.setattr(operator, "SILENCE_S", 1.0)
    monkeypatch.setattr(operator, "BEAT_S", 0.1)
    made = Piped()
    yield made
    for file in made.files:
        with suppress(OSError):
            os.close(file)


@contextmanager
def beating(piped: Piped) -> Iterator[None]:
    over = threading.Event()

    def beat() -> None:
        while not over.wait(0.2):
            os.write(piped.order, codec.line(Beat()))

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_an_operator_that_is_gone_holds_up_no_agent(piped: Piped) -> None:
    begun = time.monotonic()
    with pytest.raises(Silence):
        piped.agent._say(LARGE)
    assert 0.9 < time.monotonic() - begun < 3


def test_an_operator_that_reads_slowly_and_beats_is_waited_for(piped: Piped) -> None:
    got = b""

    def read() -> None:
        nonlocal got
        time.sleep(2.5)
        while not got.endswith(b"\n"):
            got += os.read(piped.answers, 1 << 16)

    reading = threading.Thread(target=read)
    reading.start()
    with beating(piped):
        piped.agent._say(LARGE)
        reading.join()
    assert codec.from_agent(got) == LARGE


def test_what_the_operator_said_meanwhile_is_not_lost(piped: Piped) -> None:
    os.write(piped.order, codec.line(Beat(monotonic_ns=1)) + b'{"kind":')

    def read() -> None:
        time.sleep(0.5)
        got = b""
        while not got.endswith(b"\n"):
            got += os.read(piped.answers, 1 << 16)

    reading = threading.Thread(target=read)
    reading.start()
    piped.agent._say(LARGE)
    reading.join()
    os.write(piped.order, b'"stop"}\n')
    said = [type(one).__name__ for one in piped.agent._orders()]
    assert said == ["Beat", "Stop"]
