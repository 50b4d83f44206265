"""A rule of nft's JSON in nft's own words, as `nft list ruleset` prints it without counters."""

from collections.abc import Callable, Sequence
from typing import Any

_SILENT = ("counter",)
_UNQUALIFIED = frozenset({"iif", "iifname", "iifgroup", "oif", "oifname", "oifgroup"})
"""Without `meta` before them (meta_key_is_unqualified of nft's meta.c)."""
_QUOTED = frozenset({"iif", "iifname", "oif", "oifname", "ibrname", "obrname"})


def nft_words(expressions: Sequence[Any]) -> str:
    """Statements in words; of what is not known its name. Never fails."""
    return " ".join(filter(None, (_statement(each) for each in expressions)))


def _statement(statement: Any) -> str:
    if not isinstance(statement, dict):
        return str(statement)
    words = []
    for verb, body in statement.items():
        if verb in _SILENT:
            continue
        write = _STATEMENTS.get(verb)
        try:
            words.append(write(body) if write is not None else _plain(verb, body))
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
            words.append(verb)
    return " ".join(words)


def _plain(verb: str, body: Any) -> str:
    return verb if body is None or isinstance(body, dict | list) else f"{verb} {body}"


def _match(body: dict[str, Any]) -> str:
    left, right, op = body["left"], body["right"], body.get("op", "==")
    key = _key(left)
    if op == "==" and isinstance(left, dict) and "&" in left and _flags(left):
        return f"{_key(left['&'][0])} {_list(right)} / {_list(left['&'][1])}"
    # A plain comparison is not written, but behind an operation it is.
    said = "" if op in ("in", "==") and not _computed(left) else f"{op} "
    return f"{key} {said}{_value(right, left)}"


def _computed(left: Any) -> bool:
    return isinstance(left, dict) and any(sign in left for sign in ("&", "|", "^", "<<", ">>"))


def _flags(left: dict[str, Any]) -> bool:
    payload = left["&"][0].get("payload", {}) if isinstance(left["&"][0], dict) else {}
    return payload.get("field") == "flags"


def _list(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _key(expression: Any) -> str:
    """An expression on the left of a comparison, or in a value."""
    if not isinstance(expression, dict):
        return str(expression)
    kind, body = next(iter(expression.items()))
    if kind == "payload":
        if "base" in body:
            return f"@{body['base']},{body['offset']},{body['len']}"
        return f"{body['protocol']} {body['field']}"
    if kind == "meta":
        key = body["key"]
        return key if key in _UNQUALIFIED else f"meta {key}"
    if kind == "ct":
        return " ".join(filter(None, ("ct", body.get("dir"), body["key"])))
    if kind == "fib":
        return f"fib {' . '.join(body['flags'])} {body['result']}"
    if kind == "rt":
        return " ".join(filter(None, ("rt", body.get("family"), body["key"])))
    if kind == "concat":
        return " . ".join(map(_key, body))
    if kind in ("&", "|", "^", "<<", ">>"):
        return f" {kind} ".join(_operand(part, body[0]) for part in body)
    if kind == "numgen":
        return f"numgen {body['mode']} mod {body['mod']}"
    if kind == "map":
        return f"{_key(body['key'])} map {_value(body['data'], body['key'])}"
    return " ".join((kind, *(str(part) for part in body.values() if isinstance(part, str | int))))


def _operand(part: Any, first: Any) -> str:
    return _value(part, first) if isinstance(part, int) else _key(part)


def _value(value: Any, left: Any = None) -> str:
    """A literal as nft prints it beside that key."""
    if isinstance(value, dict):
        return _structure(value, left)
    if isinstance(value, list):
        return ",".join(map(str, value))
    if value is True or value is False:
        return "exists" if value else "missing"
    kind = _kind(left)
    if isinstance(value, int) and kind == "mark":
        return f"0x{value:08x}"
    if isinstance(value, str) and kind in _QUOTED and not value.startswith("@"):
        return f'"{value}"'
    return str(value)


def _structure(value: dict[str, Any], left: Any) -> str:
    kind, body = next(iter(value.items()))
    if kind == "prefix":
        return f"{body['addr']}/{body['len']}"
    if kind == "range":
        return "-".join(_value(end, left) for end in body)
    if kind == "set":
        return f"{{ {', '.join(_element(each, left) for each in body)} }}"
    if kind == "concat":
        keys = left.get("concat", ()) if isinstance(left, dict) else ()
        return " . ".join(
            _value(each, keys[at] if at < len(keys) else None) for at, each in enumerate(body)
        )
    if kind == "elem":
        return _value(body["val"], left)
    if kind == "|":
        return " | ".join(_value(each, left) for each in body)
    return _key(value)


def _element(element: Any, left: Any) -> str:
    if isinstance(element, list):
        key, data = element
        said = _statement(data) if isinstance(data, dict) else _value(data)
        return f"{_value(key, left)} : {said}"
    return _value(element, left)


def _kind(left: Any) -> str:
    """What a literal beside this key is: a device's name, a mark, or just what it says."""
    if not isinstance(left, dict):
        return ""
    kind, body = next(iter(left.items()))
    if kind in ("meta", "ct"):
        return str(body.get("key", ""))
    if kind in ("&", "|", "^") and isinstance(body, list):
        return _kind(body[0])
    return ""


def _nat(verb: str) -> Callable[[Any], str]:
    def write(body: Any) -> str:
        if not body:
            return verb
        addr, port = body.get("addr"), body.get("port")
        family = f" {body['family']}" if "family" in body else ""
        host = _key(addr) if isinstance(addr, dict) and "map" in addr else _value(addr)
        to = host if addr is not None else ""
        if ":" in to and port is not None:
            to = f"[{to}]"
        to += f":{_value(port)}" if port is not None else ""
        flags = body.get("flags") or []
        listed = ",".join(flags) if isinstance(flags, list) else str(flags)
        return " ".join(filter(None, (verb + family, f"to {to}" if to else "", listed)))

    return write


def _reject(body: Any) -> str:
    if not body or body.get("expr") == "port-unreachable":
        return "reject"
    return f"reject with {body['type']} {body.get('expr', '')}".rstrip()


def _limit(body: dict[str, Any]) -> str:
    over = "over " if body.get("inv") else ""
    burst = body.get("burst", 5)
    unit = body.get("rate_unit", "packets")
    size = "" if unit == "packets" else f" {unit}"
    rate = f"limit rate {over}{body['rate']}{size}/{body['per']}"
    return rate if burst in (0, 5) else f"{rate} burst {burst} {body.get('burst_unit', 'packets')}"


def _log(body: Any) -> str:
    words = ["log"]
    for key, value in (body or {}).items():
        said = f'"{value}"' if key == "prefix" else _list(value)
        words.append(f"{key} {said}")
    return " ".join(words)


def _mangle(body: dict[str, Any]) -> str:
    key = body["key"]
    return f"{_key(key)} set {_value(body['value'], key)}"


def _vmap(body: dict[str, Any]) -> str:
    return f"{_key(body['key'])} vmap {_value(body['data'], body['key'])}"


def _set(body: dict[str, Any]) -> str:
    inside = nft_words(body.get("stmt", ()))
    element = body["elem"]
    value = element["elem"]["val"] if isinstance(element, dict) and "elem" in element else element
    return f"{body['op']} {body['set']} {{ {' '.join(filter(None, (_key(value), inside)))} }}"


def _queue(body: Any) -> str:
    return "queue" if not body else f"queue num {_value(body.get('num'))}"


def _xt(body: Any) -> str:
    """A part that nft does not know itself, as newer versions print it."""
    return f'xt {body["type"]} "{body["name"]}"' if body else "xt"


_STATEMENTS: dict[str, Callable[[Any], str]] = {
    "match": _match,
    "jump": lambda body: f"jump {body['target']}",
    "goto": lambda body: f"goto {body['target']}",
    "reject": _reject,
    "limit": _limit,
    "log": _log,
    "mangle": _mangle,
    "vmap": _vmap,
    "set": _set,
    "queue": _queue,
    "xt": _xt,
    "masquerade": _nat("masquerade"),
    "snat": _nat("snat"),
    "dnat": _nat("dnat"),
    "redirect": _nat("redirect"),
}
