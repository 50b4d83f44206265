"""What would let a reader into a cluster is taken out of text that other programs wrote.

CNI configurations hold tokens (`k8s_auth_token` of old Calico), a kubeconfig may lie beside them,
and flannel's own net-conf.json has the pre-shared key of the backends ipsec and wireguard.
"""

import json
import re
from typing import Any

REMOVED = "[removed]"

_WORDS = r"token|passw|passphrase|secret|credential|psk|shared.?key|private.?key|key.data|auth"
_KEY = re.compile(_WORDS, re.I)

_JSON = r"\"(?:[^\"\\\n]|\\.)*\""
_BLOCK = r"[|>][^\n]*(?:\n[^\S\n]+[^\n]*)+"
_LINE = re.compile(
    rf"(?P<key>(?P<quote>[\"']?)[\w.-]{{0,40}}(?:{_WORDS})[\w.-]{{0,40}}(?P=quote)[^\S\n]{{0,9}}:)"
    rf"(?:\s{{0,99}}(?P<json>{_JSON})|[^\S\n]*(?:'[^'\n]*'|{_BLOCK}|[^\s\"'{{\[&|>][^,}}\n]*|\"[^\n]*))",
    re.I,
)
_PEM = re.compile(r"-----BEGIN [^\n]*?-----.*?(?:-----END [^\n]*?-----|\Z)", re.S)


def without_credentials(text: str) -> str:
    """The same text where it holds none. JSON stays JSON; of other text it is values that go."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return _LINE.sub(lambda match: f'{match["key"]} "{REMOVED}"', _PEM.sub(REMOVED, text))
    cleaned = _cleaned(document)
    return text if cleaned == document else json.dumps(cleaned, indent=2, ensure_ascii=False)


def _cleaned(value: Any, suspicious: bool = False) -> Any:
    """Every text below a suspicious key is replaced, and so is a key in PEM anywhere."""
    if isinstance(value, dict):
        return {
            key: _cleaned(inner, suspicious or bool(_KEY.search(key)))
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_cleaned(inner, suspicious) for inner in value]
    if isinstance(value, str):
        return REMOVED if suspicious else _PEM.sub(REMOVED, value)
    return value
