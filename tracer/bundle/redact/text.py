"""Free text: addresses, MACs and learned names replaced, harmless words kept, the rest cut.

Whole words only: `10.0.0.1` is none inside of `110.0.0.10`, nor is a pod `web` inside of `web-1`.
"""

import json
import re
from collections.abc import Callable

from tracer.bundle.redact.addresses import Addresses
from tracer.bundle.redact.macs import Macs
from tracer.bundle.redact.names import Names, Sort, is_usual_device
from tracer.bundle.redact.vocabulary import WORDS
from tracer.core.credentials import REMOVED

_FOUR = r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?:/\d{1,3}(?:\.\d{1,3}){3}|/\d{1,2})?(?![\w/]|\.\w)"
_WORD = r"\w(?:[\w.-]*\w)?"
_PIECES = re.compile(
    r"(?P<colons>[0-9A-Fa-f]{0,4}:[\w.]*:[\w.:]*(?:/\d{1,3}(?!\w|\.\w))?)"
    rf"|(?P<four>{_FOUR})|(?P<word>{_WORD})|(?P<strange>[^\w\x20-\x7e\t\r\n]+)"
)
"""What text is taken apart into. What lies between is ASCII punctuation and blanks, and stays."""
_NO_COLONS = re.compile(rf"(?P<four>{_FOUR})|(?P<word>{_WORD})")
MAC = re.compile(
    "[0-9a-f]{2}(:[0-9a-f]{2}){5}|[0-9a-f]{2}(-[0-9a-f]{2}){5}|[0-9a-f]{4}([.][0-9a-f]{4}){2}", re.I
)
_NUMBER = re.compile(r"v?\d{1,10}(\.\d{1,10}){0,2}|0x[0-9a-f]{1,8}|\d{1,9}(ms|us|ns|[smhdB])", re.A)
_LONG_NUMBER = re.compile(r"\d+(\.\d+)?(e\d*)?", re.I | re.A)
_CONTAINER = re.compile("[0-9a-f]{64}")
_HASHED = re.compile(r"(KUBE-[A-Z]{2,4}|CNI(?:-[A-Z]{2})?|cali-\w{2,4})-(?=\w{8,})[\w-]+")
"""Chains named by a hash of a Service or a pod, which anybody can compute for a name he guesses."""
_RUN = re.compile(rf"{re.escape(REMOVED)}(?:[\s.,:;/@=+'\"-]*{re.escape(REMOVED)})+")
_LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"', re.S)
_PUNCTUATION = re.compile(r"[\s{}\[\],]*(?::\s*\d*[\s{}\[\],]*)?", re.A)
_INTRODUCED = re.compile(r"(?:\b(?:on|node|pod)\s|\b(?:node|pod)/)['\"]?$")
"""What stands before a name even if the name looks like a word or a number."""

_Match = re.Match[str]


class Text:
    """The scrubber of one redaction."""

    def __init__(self, names: Names, addresses: Addresses, macs: Macs) -> None:
        self._names, self._addresses, self._macs = names, addresses, macs
        self._known: dict[str, str] = {}
        self._literals: dict[str, str] = {}

    def prose(self, text: str) -> str:
        """A message for people: `[removed]` stands for what is not known to be harmless."""
        return _RUN.sub(REMOVED, self._scrubbed(text, self._prose_word))

    def structured(self, text: str) -> str:
        """Text that a program reads: tokens stand for unknown words, so that equal stay equal."""
        if text.lstrip()[:1] in ("{", "["):
            return self.json(text)
        return self._scrubbed(text, self._structured_word)

    def json(self, text: str) -> str:
        """JSON, whole or cut short: what was JSON is still, to the last blank."""
        found, at = [], 0
        for literal in _LITERAL.finditer(text):
            found.append(self._between(text[at : literal.start()]))
            found.append(self._literal(literal.group()))
            at = literal.end()
        found.append(self._between(text[at:]))
        return "".join(found)

    def _between(self, text: str) -> str:
        """What stands between two strings of JSON: mostly punctuation, or a number."""
        if _PUNCTUATION.fullmatch(text):
            return text
        return self._scrubbed(text, self._structured_word)

    def _literal(self, quoted: str) -> str:
        """One string of JSON with its quotes."""
        known = self._literals.get(quoted)
        if known is None:
            try:
                value = json.loads(quoted, strict=False)
            except ValueError:
                value = quoted
            known = json.dumps(self.structured(value))
            self._literals[quoted] = known
        return known

    def _scrubbed(self, text: str, word: Callable[[_Match], str]) -> str:
        def piece(match: _Match) -> str:
            if match.lastgroup == "word":
                return word(match)
            if match.lastgroup == "four":
                return self._network(match.group()) or word(match)
            if match.lastgroup == "colons":
                return self._colons(match, word)
            return ""

        return _PIECES.sub(piece, text)

    def _network(self, text: str) -> str | None:
        try:
            return self._addresses.network(text)
        except ValueError:
            return None

    def _colons(self, match: _Match, word: Callable[[_Match], str]) -> str:
        """Several colons: a MAC, an IPv6 address, or words and numbers with colons between."""
        text = match.group()
        start = 1 if text[0] == ":" and text[1] != ":" else 0
        end = len(text.rstrip("."))
        if text[:end].endswith(":") and not text[:end].endswith("::"):
            end -= 1
        bare = text[start:end]
        if MAC.fullmatch(bare):
            found: str | None = self._macs.text(bare)
        else:
            found = self._network(bare)
        if found is not None:
            return text[:start] + found + text[end:]
        if "::" in text or text.count(":") > 2:
            return word(match)

        def piece(inner: _Match) -> str:
            four = self._network(inner.group()) if inner.lastgroup == "four" else None
            return four or word(inner)

        return _NO_COLONS.sub(piece, text)

    def _prose_word(self, match: _Match) -> str:
        word = match.group()
        if not _is_harmless(word):
            return self._name(word) or REMOVED
        token = self._names.word(word)
        if token is not None and _INTRODUCED.search(match.string[: match.start()]):
            return token
        return word

    def _structured_word(self, match: _Match) -> str:
        word = match.group()
        found = self._known.get(word)
        if found is None:
            kept = _is_harmless(word) or _LONG_NUMBER.fullmatch(word)
            found = word if kept else self._name(word) or self._token(word)
            self._known[word] = found
        return found

    def _name(self, word: str) -> str | None:
        """A learned name, or a MAC without colons."""
        token = self._names.word(word)
        if token is None and MAC.fullmatch(word):
            return self._macs.text(word)
        return token

    def _token(self, word: str) -> str:
        if _CONTAINER.fullmatch(word):
            return self._names.token(Sort.CONTAINER, word)
        hashed = _HASHED.fullmatch(word)
        if hashed is not None:
            return self._names.like(Sort.NAME, word, hashed[1])
        stem = Sort.NAME.value
        # nft writes the chains of iptables, and those begin with a capital.
        return self._names.like(Sort.NAME, word, stem.upper() if word[0].isupper() else stem)


def _is_harmless(word: str) -> bool:
    """A word of the vocabulary, a number, or a device that its owner did not name."""
    known = word.lower() in WORDS or _NUMBER.fullmatch(word) is not None
    return known or is_usual_device(word)
