"""Dumps of the firewall tools: rules stay rules, without comments, names and real addresses."""

import json
import re

from tracer.bundle.redact.text import Text
from tracer.bundle.redact.vocabulary import COMMENTS

_JSON = re.compile(
    r'("comment"\s*:\s*)("(?:[^"\\]|\\.)*")'
    r'|("prefix"\s*:\s*\{\s*"addr"\s*:\s*)"([^"\\]*)"(\s*,\s*"len"\s*:\s*)(\d{1,3})'
    r'|("[a-z0-9_ -]{1,32}"\s*:)',
    re.S,
)
"""Of `nft -j`: a comment, a network in two parts, or a key, of which it has only its own."""
_PARTS = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s"]+|\s+|"')
_OPTION = re.compile("--?[a-z][a-z0-9-]{0,30}|-[A-Z]")
_COMMENT = re.compile(r' -m comment --comment ("(?:[^"\\]|\\.)*"|\S+)')
_NAMES_ONLY = {"-m", "-p", "--protocol"}
"""Options with a word of the tool's own behind them: an extension, a protocol."""
_PLAIN = re.compile("[A-Za-z0-9_-]+")


class Firewall:
    """The scrubber of one redaction. The same rule is the same in every dump of every node."""

    def __init__(self, text: Text) -> None:
        self._text = text
        self._lines: dict[str, str] = {}

    def dump(self, text: str) -> str:
        """One tool's dump."""
        if text.lstrip().startswith("{"):
            return self._nft(text)
        kept = (line for line in text.split("\n") if not line.startswith("#"))
        return "\n".join(map(self._line, kept))

    def _nft(self, text: str) -> str:
        found, at = [], 0
        for match in _JSON.finditer(text):
            found.append(self._text.json(text[at : match.start()]))
            at = match.end()
            if match[1] is not None:
                found.append(match[1] + (match[2] if _is_usual(match[2]) else '""'))
            elif match[3] is not None:
                found.append(self._prefix(match))
            else:
                found.append(match.group())
        found.append(self._text.json(text[at:]))
        return "".join(found)

    def _prefix(self, match: re.Match[str]) -> str:
        """`{"addr": "10.244.0.0", "len": 16}`: mapped as the network that it is."""
        mapped = self._text.structured(f"{match[4]}/{match[6]}").rpartition("/")[0]
        return f"{match[3]}{json.dumps(mapped)}{match[5]}{match[6]}"

    def _line(self, line: str) -> str:
        """One line of iptables-save; the nodes of a cluster have most of them in common."""
        known = self._lines.get(line)
        if known is None:
            known = self._lines[line] = self._iptables(line)
        return known

    def _iptables(self, line: str) -> str:
        line = _COMMENT.sub(lambda match: match.group() if _is_usual(match[1]) else "", line)
        found: list[str] = []
        option = ""
        for part in _PARTS.findall(line):
            own = option in _NAMES_ONLY and _PLAIN.fullmatch(part)
            if _OPTION.fullmatch(part):
                option = part
                found.append(part)
            elif own or (option == "--comment" and _is_usual(part)):
                found.append(part)
            else:
                found.append(self._text.structured(part))
            option = "" if own else option
        return "".join(found)


def _is_usual(quoted: str) -> bool:
    return quoted.strip('"') in COMMENTS
