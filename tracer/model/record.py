"""The base of every fact: an immutable, typed, serialisable record."""

import msgspec


class Record(msgspec.Struct, frozen=True):
    """One fact. Never changed after it was made; the codec checks its types on the way in."""
