"""JSON to typed records: decoders that are made once, and by one thread at a time.

msgspec describes a type when it first decodes it, and lets a second thread use that description
before it is complete: the process crashes (0.22.0; a test makes it happen).
"""

import threading
from typing import Any, TypeVar

import msgspec

Kind = TypeVar("Kind")

_making = threading.Lock()
_made: dict[Any, Any] = {}


def decoder(kind: type[Kind]) -> msgspec.json.Decoder[Kind]:
    """The decoder of a type. Any thread may ask for it, and any may use it."""
    with _making:
        if kind not in _made:
            _made[kind] = msgspec.json.Decoder(kind)
        found: msgspec.json.Decoder[Kind] = _made[kind]
        return found
