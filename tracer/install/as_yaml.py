"""Objects as kubectl takes them. The home of the package `yaml`."""

import json
from collections.abc import Iterable
from typing import Any

import yaml


def as_yaml(objects: Iterable[dict[str, Any]]) -> str:
    """One document each, in order."""
    # By way of JSON nothing is in two places at once, so that no document has anchors.
    documents = [json.loads(json.dumps(each)) for each in objects]
    return "".join(f"---\n{yaml.safe_dump(each, sort_keys=False)}" for each in documents)
