"""One JSON document per conclusion, and the schema that describes it."""

import json

import msgspec

from tracer.model.diagnosis import SCHEMA, Diagnosis
from tracer.model.record import Record


def json_document(diagnosis: Record) -> str:
    """Pretty and deterministic; what is not known is null, never absent. Ends in a newline."""
    return msgspec.json.format(msgspec.json.encode(diagnosis), indent=2).decode() + "\n"


def schema() -> str:
    """JSON Schema of the document, as published in docs/reference/. Ends in a newline."""
    return schema_of(Diagnosis, SCHEMA, "What flantrace concludes from one recording")


def schema_of(kind: type[Record], name: str, title: str) -> str:
    """JSON Schema of a published record.

    Every field is required: a reader may rely on its being there, if only as null.
    """
    document = msgspec.json.schema(kind)
    for definition in document["$defs"].values():
        if definition.get("type") == "object" and "properties" in definition:
            definition["required"] = list(definition["properties"])
            for field in definition["properties"].values():
                field.pop("default", None)
    document["$defs"][kind.__name__]["properties"]["schema"] = {"const": name}
    ordered = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{name.replace('/', '-')}.schema.json",
        "title": title,
    } | document
    return json.dumps(ordered, indent=2, sort_keys=False) + "\n"
