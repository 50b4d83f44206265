"""JSON <-> records: the only serialiser of recorded facts, on disk and between processes."""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from tracer.model.decoding import decoder
from tracer.model.message import FromAgent, ToAgent
from tracer.model.record import Record

AnyRecord = TypeVar("AnyRecord", bound=Record)

_encoder = msgspec.json.Encoder()
_from_agent: msgspec.json.Decoder[FromAgent] = msgspec.json.Decoder(FromAgent)
_to_agent: msgspec.json.Decoder[ToAgent] = msgspec.json.Decoder(ToAgent)

DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What the functions below raise on text that is not JSON, not UTF-8, or not of the type."""


def line(record: Record) -> bytes:
    """One record as one line of JSON, newline included."""
    return _encoder.encode(record) + b"\n"


def document(record: Record) -> bytes:
    """One record as JSON for people and grep: a field a line, and of a list an item a line."""
    fields = (
        _encoder.encode(name) + b": " + _laid_out(getattr(record, name))
        for name in record.__struct_fields__
    )
    return b"{\n " + b",\n ".join(fields) + b"\n}\n"


def _laid_out(value: object) -> bytes:
    if isinstance(value, tuple) and value:
        items = b",\n  ".join(map(_encoder.encode, value))
        return b"[\n  " + items + b"\n ]"
    if isinstance(value, Mapping) and value:
        pairs = (_encoder.encode(key) + b": " + _encoder.encode(one) for key, one in value.items())
        return b"{\n  " + b",\n  ".join(pairs) + b"\n }"
    return _encoder.encode(value)


def from_agent(text: bytes) -> FromAgent:
    """A line that an agent wrote; one of DECODE_ERRORS if it is none."""
    return _from_agent.decode(text)


def to_agent(text: bytes) -> ToAgent:
    """A line that an operator wrote; one of DECODE_ERRORS if it is none."""
    return _to_agent.decode(text)


def read(text: bytes, kind: type[AnyRecord]) -> AnyRecord:
    """A record of the given type; one of DECODE_ERRORS names what is wrong."""
    return decoder(kind).decode(text)
