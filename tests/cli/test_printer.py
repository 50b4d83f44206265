"""What a watch prints holds it up for nobody: slow readers, full disks, readers who leave."""

import fcntl
import os
import time
from collections.abc import Callable

from tracer.cli.printer import Printer


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def small_pipe() -> tuple[int, int]:
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    return read, write


def everything(file: int) -> bytes:
    with os.fdopen(file, "rb") as stream:
        return stream.read()


def test_lines_wait_for_a_reader_who_lags_and_none_is_lost() -> None:
    read, write = small_pipe()
    said: list[str] = []
    printer = Printer(write, said.append)
    wanted = [f"line {number:04}\n" for number in range(2000)]
    for line in wanted:
        printer.put(line)
    got = b""
    while len(got) < len("".join(wanted)):
        got += os.read(read, 65536)
    assert got.decode() == "".join(wanted)
    printer.close()
    assert said == []
    os.close(read)
    os.close(write)


def test_what_finds_no_room_is_counted_and_said() -> None:
    read, write = small_pipe()
    said: list[str] = []
    printer = Printer(write, said.append, most=10)
    began = time.monotonic()
    for _ in range(100):
        printer.put("x" * 8191 + "\n")
    assert time.monotonic() - began < 5
    while not said:
        os.read(read, 65536)
    assert said[0].endswith(" lines found no room, for want of a reader")
    assert 80 <= int(said[0].split()[0]) <= 90
    os.close(read)
    printer.close()
    os.close(write)


def test_a_full_disk_is_said_once() -> None:
    said: list[str] = []
    full = os.open("/dev/full", os.O_WRONLY)
    printer = Printer(full, said.append)
    for _ in range(3):
        printer.put("line\n")
    printer.close()
    os.close(full)
    assert said == ["lines are not printed: No space left on device"]


def test_a_reader_who_left_is_known() -> None:
    read, write = os.pipe()
    os.close(read)
    printer = Printer(write, lambda _: None)
    printer.put("line\n")
    until(lambda: printer.gone)
    printer.close()
    os.close(write)


def test_what_waits_is_printed_at_the_end() -> None:
    read, write = os.pipe()
    printer = Printer(write, lambda _: None)
    printer.put("one\n")
    printer.put("two \udcff\n")
    printer.close()
    os.close(write)
    assert everything(read) == b"one\ntwo \\udcff\n"
