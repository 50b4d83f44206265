"""Memory of a process that runs for days: what was needed for a moment goes back to the kernel.

By glibc's own calls (mallopt(3), malloc_trim(3)); with another C library nothing is done.
"""

import ctypes
import gc

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_LARGE = 128 << 10
"""Bytes. glibc begins with this and raises it to what was freed last, up to 32 MB: a page of the
API's list, or a node's tables, would leave its room in the heap for good."""


def spare() -> None:
    """To be called before anything large is read, and before threads are.

    Large pieces go back as soon as they are free, and all threads take from one heap: Python runs
    one at a time anyway, and what is free in one's own heap is of no use to the others.
    """
    libc = ctypes.CDLL(None)
    try:
        libc.mallopt(_MMAP_THRESHOLD, _LARGE)
        libc.mallopt(_TRIM_THRESHOLD, _LARGE)
        libc.mallopt(_ARENA_MAX, 1)
    except AttributeError:
        return


def give_back() -> None:
    """What is free between other pieces goes back, too. Some 30 ms for 5,000 leases."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except AttributeError:
        return
