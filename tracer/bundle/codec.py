"""JSON <-> records: the only serialiser of recorded facts, on disk and between processes."""

from typing import Any, TypeVar

import msgspec

from tracer.model.message import FromAgent, ToAgent
from tracer.model.record import Record

AnyRecord = TypeVar("AnyRecord", bound=Record)

_encoder = msgspec.json.Encoder()
_from_agent: msgspec.json.Decoder[FromAgent] = msgspec.json.Decoder(FromAgent)
_to_agent: msgspec.json.Decoder[ToAgent] = msgspec.json.Decoder(ToAgent)

DecodeError = msgspec.DecodeError
"""What the functions below raise on text that is not JSON, or not of the type."""


def line(record: Record) -> bytes:
    """One record as one line of JSON, newline included."""
    return _encoder.encode(record) + b"\n"


def document(value: Record | dict[str, Any]) -> bytes:
    """One record as indented JSON for people and grep."""
    return msgspec.json.format(_encoder.encode(value), indent=1) + b"\n"


def from_agent(text: bytes) -> FromAgent:
    """A line that an agent wrote; DecodeError if it is none."""
    return _from_agent.decode(text)


def to_agent(text: bytes) -> ToAgent:
    """A line that an operator wrote; DecodeError if it is none."""
    return _to_agent.decode(text)


def read(text: bytes, kind: type[AnyRecord]) -> AnyRecord:
    """A record of the given type; DecodeError names the field that is wrong."""
    return msgspec.json.decode(text, type=kind)
