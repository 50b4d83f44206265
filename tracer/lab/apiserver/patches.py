"""The three kinds of patch: JSON patch (RFC 6902), merge patch (RFC 7386), strategic merge."""

import copy
from typing import Any

MERGE_KEYS = {
    "addresses": "type",
    "conditions": "type",
    "containers": "name",
    "containerStatuses": None,
    "env": "name",
    "ephemeralContainers": "name",
    "hostAliases": "ip",
    "imagePullSecrets": "name",
    "initContainers": "name",
    "ownerReferences": "uid",
    "podIPs": "ip",
    "ports": "containerPort",
    "taints": None,
    "volumeDevices": "devicePath",
    "volumeMounts": "mountPath",
    "volumes": "name",
}
"""patchMergeKey of the list fields of core/v1 and meta/v1 types (k8s.io/api, struct tags)."""
MERGED_SETS = {"finalizers", "podCIDRs"}
"""Lists of plain values with patchStrategy=merge."""


class PatchRefused(Exception):
    """A patch that cannot be applied, in words. `code` is HTTP's."""

    def __init__(self, message: str, code: int = 422) -> None:
        super().__init__(message)
        self.code = code


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def strategic_merge(target: Any, patch: Any) -> Any:
    """Kubernetes' own: as a merge patch, but lists with a merge key are merged by it."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    directive = patch.get("$patch")
    if directive == "replace":
        return copy.deepcopy({key: value for key, value in patch.items() if key != "$patch"})
    if directive == "delete":
        return {}
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if key.startswith("$deleteFromPrimitiveList/"):
            field = key.split("/", 1)[1]
            result[field] = [each for each in result.get(field) or [] if each not in value]
        elif key.startswith("$"):
            continue
        elif value is None:
            result.pop(key, None)
        elif isinstance(value, list):
            result[key] = _merge_list(key, result.get(key) or [], value)
        else:
            result[key] = strategic_merge(result.get(key), value)
    if "$retainKeys" in patch:
        result = {key: value for key, value in result.items() if key in patch["$retainKeys"]}
    return _in_order(result, patch)


def _merge_list(field: str, target: list[Any], patch: list[Any]) -> list[Any]:
    if field in MERGED_SETS:
        return target + [each for each in patch if each not in target]
    key = MERGE_KEYS.get(field)
    if key is None or not all(isinstance(each, dict) for each in target + patch):
        return copy.deepcopy(patch)
    if any(each.get("$patch") == "replace" for each in patch):
        return [copy.deepcopy(each) for each in patch if "$patch" not in each]
    result = list(target)
    for each in patch:
        if key not in each:
            raise PatchRefused(f"map: {each} does not contain declared merge key: {key}", 400)
        index = next((i for i, old in enumerate(result) if old.get(key) == each[key]), None)
        if each.get("$patch") == "delete":
            result = [old for old in result if old.get(key) != each[key]]
        elif index is None:
            result.append(strategic_merge({}, each))
        else:
            result[index] = strategic_merge(result[index], each)
    return result


def _in_order(result: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    for directive, wanted in patch.items():
        if not directive.startswith("$setElementOrder/"):
            continue
        field = directive.split("/", 1)[1]
        key = MERGE_KEYS.get(field)
        ranks = {str(each.get(key) if isinstance(each, dict) else each): i
                 for i, each in enumerate(wanted)}  # fmt: skip
        result[field] = sorted(
            result.get(field) or [],
            key=lambda each, key=key, ranks=ranks: ranks.get(
                str(each.get(key) if isinstance(each, dict) else each), len(ranks)
            ),
        )
    return result


def json_patch(target: Any, operations: Any) -> Any:
    """RFC 6902. Raises PatchRefused: 400 for what is no patch, 422 for what does not apply."""
    if not isinstance(operations, list):
        raise PatchRefused("a JSON patch is a list of operations", 400)
    document = copy.deepcopy(target)
    for operation in operations:
        if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
            raise PatchRefused(f"no JSON patch operation: {operation!r}", 400)
        document = _operate(document, operation)
    return document


def _operate(document: Any, operation: dict[str, Any]) -> Any:
    verb, path = operation.get("op"), _steps(operation["path"])
    if verb in ("add", "replace", "test") and "value" not in operation:
        raise PatchRefused(f"{verb} operation without a value", 400)
    if verb in ("move", "copy"):
        origin = _steps(str(operation.get("from", "")))
        value = copy.deepcopy(_at(document, origin))
        if verb == "move":
            document = _remove(document, origin)
        return _add(document, path, value)
    if verb == "add":
        return _add(document, path, operation["value"])
    if verb == "remove":
        return _remove(document, path)
    if verb == "replace":
        _at(document, path)
        return _add(_remove(document, path), path, operation["value"])
    if verb == "test":
        if _at(document, path) != operation["value"]:
            raise PatchRefused(f"testing value {operation['path']} failed: test failed")
        return document
    raise PatchRefused(f"unexpected kind of operation: {verb!r}", 400)


def _steps(pointer: str) -> list[str]:
    if pointer == "":
        return []
    if not pointer.startswith("/"):
        raise PatchRefused(f"no JSON pointer: {pointer!r}", 400)
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer[1:].split("/")]


def _index(step: str, length: int) -> int:
    if not step.isdigit() or int(step) >= length:
        raise PatchRefused(f"index out of bounds: {step}")
    return int(step)


def _at(document: Any, steps: list[str]) -> Any:
    for step in steps:
        if isinstance(document, dict) and step in document:
            document = document[step]
        elif isinstance(document, list):
            document = document[_index(step, len(document))]
        else:
            raise PatchRefused(f"the path does not exist: {'/'.join(steps)}")
    return document


def _add(document: Any, steps: list[str], value: Any) -> Any:
    if not steps:
        return copy.deepcopy(value)
    parent = _at(document, steps[:-1])
    if isinstance(parent, dict):
        parent[steps[-1]] = copy.deepcopy(value)
    elif isinstance(parent, list):
        end = len(parent)
        place = end if steps[-1] == "-" else _index(steps[-1], end + 1)
        parent.insert(place, copy.deepcopy(value))
    else:
        raise PatchRefused(f"the path does not exist: {'/'.join(steps)}")
    return document


def _remove(document: Any, steps: list[str]) -> Any:
    if not steps:
        return {}
    parent = _at(document, steps[:-1])
    _at(parent, steps[-1:])
    if isinstance(parent, dict):
        del parent[steps[-1]]
    else:
        del parent[int(steps[-1])]
    return document
