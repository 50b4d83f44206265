"""Server-side apply: what a manager applied last is its own, and goes when it applies no more.

Another manager's fields stay, and are taken over without a conflict: every apply here is forced.
"""

import copy
from typing import Any

from tracer.lab.apiserver.patches import MERGE_KEYS
from tracer.lab.apiserver.resources import Object


def applied(live: Any, last: Any, new: Any, field: str = "") -> Any:
    """The live value after a manager that applied `last` before applies `new`."""
    if isinstance(new, dict) and isinstance(live, dict):
        return _of_objects(live, last if isinstance(last, dict) else {}, new)
    key = MERGE_KEYS.get(field)
    if key is not None and isinstance(new, list) and isinstance(live, list):
        return _of_lists(live, last if isinstance(last, list) else [], new, key)
    return copy.deepcopy(new)


def _of_objects(live: Object, last: Object, new: Object) -> Object:
    gone = set(last) - set(new)
    made = {name: value for name, value in live.items() if name not in gone}
    for name, value in new.items():
        made[name] = applied(live.get(name), last.get(name), value, name)
    return made


def _of_lists(live: list[Any], last: list[Any], new: list[Any], key: str) -> list[Any]:
    before = {each[key]: each for each in last}
    wanted = {each[key]: each for each in new}
    there = {each[key]: each for each in live}
    kept = [each for each in live if each[key] not in before and each[key] not in wanted]
    return [
        applied(there.get(name), before.get(name), each) for name, each in wanted.items()
    ] + kept
