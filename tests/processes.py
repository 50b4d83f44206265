"""Which processes another one has started."""

from pathlib import Path


def children(pid: int | str) -> list[int]:
    """Of all its threads, by number, those that have ended and were not waited for among them."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, task.read_text().split())
        except OSError:
            continue  # the thread has ended
    return sorted(found)
