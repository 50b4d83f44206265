"""Free text: what is known to be harmless stays, what has a map follows it, the rest goes."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bundle.redact.maps import addresses, macs
from tracer.bundle.redact.names import Names, Sort
from tracer.bundle.redact.text import Text
from tracer.core.credentials import REMOVED

MAP = addresses()
ONE, OTHER = MAP.ip("10.0.0.1"), MAP.ip("110.0.0.10")
NET = MAP.network("10.0.0.0/24")
MAC = "52:54:00:c0:02:0b"
SIX = "fd00:10:20::1"


def scrubber(**known: str) -> Text:
    """A scrubber that has met a name of each sort that is given."""
    names = Names(None)
    for sort, name in known.items():
        names.meet(Sort[sort], name)
    return Text(names, MAP, macs())


def prose(text: str, **known: str) -> str:
    return scrubber(**known).prose(text)


def structured(text: str, **known: str) -> str:
    return scrubber(**known).structured(text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("from 10.0.0.1.", f"from {ONE}."),
        ("10.0.0.1, 110.0.0.10", f"{ONE}, {OTHER}"),
        ("10.0.0.1:8472", f"{ONE}:8472"),
        ("10.0.0.0/24", NET),
        ("10.0.0.1-10.0.0.1", f"{ONE}-{ONE}"),
        (f"[{SIX}]:80", f"[{MAP.ip(SIX)}]:80"),
        (f"addr:{SIX}:", f"addr:{MAP.ip(SIX)}:"),
        (f"{SIX}%eth0", f"{MAP.ip(SIX)}%eth0"),
        (f"is at {MAC}.", f"is at {macs().text(MAC)}."),
        ("52-54-00-C0-02-0B", macs().text(MAC)),
        ("at 12:34:56", "at 12:34:56"),
        ("127.0.0.1 and ::1", "127.0.0.1 and ::1"),
    ],
)
def test_addresses_are_found_whole_wherever_they_stand(text: str, wanted: str) -> None:
    assert prose(text) == wanted


@pytest.mark.parametrize(
    "text",
    ["10.0.0.1_x", "x10.0.0.1", "10.0.0.1.2", "999.0.0.1", f"{MAC}:99", f"x{MAC}", "web-10.0.0.1"],
)
def test_what_only_looks_like_an_address_goes(text: str) -> None:
    assert prose(text) == REMOVED


def test_names_are_replaced_as_whole_words() -> None:
    known = {"NODE": "worker-1", "POD": "web"}
    said = "the agent on worker-1 stopped: worker-1's web, web-2 and worker-10"
    assert prose(said, **known) == (
        f"the agent on node-1 stopped: node-1's pod-1, {REMOVED} and {REMOVED}"
    )


@pytest.mark.parametrize("name", ["a", "10", "server", "agent", "eth0"])
def test_a_name_like_a_word_is_replaced_where_only_a_name_can_stand(name: str) -> None:
    said = f"the agent on {name} said a word to the server 10 times"
    assert prose(said, NODE=name) == "the agent on node-1 said a word to the server 10 times"


def test_strangers_words_go_in_one_piece() -> None:
    said = "ssh: Could not resolve hostname bastion.acme.example: Name or service not known"
    assert prose(said) == f"ssh: Could not resolve hostname {REMOVED}: Name or service not known"
    assert prose("jdoe@acme-prod says hello-world") == f"{REMOVED} says {REMOVED}"
    assert prose("/home/jdoe/.kube/config") == f"/home/{REMOVED}/.kube/config"


@pytest.mark.parametrize(
    "secret",
    [
        "https://admin:hunter2@10.0.0.1/",
        "eyJhbGciOiJIUzI1NiJ9.e30.c2ln",
        "d41d8cd98f00b204e9800998",
    ],
)
def test_credentials_tokens_and_blobs_go(secret: str) -> None:
    assert not re.search("admin|hunter2|eyJ|d41d8", prose(secret) + structured(secret))


def test_letters_of_other_alphabets_go_with_their_word() -> None:
    assert prose("J\u00f6rg says \u1f600 \x1b[2J") == f"{REMOVED} says {REMOVED} [{REMOVED}"


@given(st.text(), st.text())
def test_an_unknown_word_gets_out_of_nothing(before: str, after: str) -> None:
    for text in (f"{before}hunter2{after}", f'{{"{before}": "hunter2{after}"}}'):
        assert "hunter2" not in prose(text)
        assert "hunter2" not in structured(text)


@given(st.text("0123456789.:/-xf "), st.text("0123456789.:/-xf "))
def test_an_address_gets_out_of_nothing(before: str, after: str) -> None:
    assert "93.184.7.77" not in prose(f"{before}93.184.7.77{after}")
    assert "fd00:10:20:30:40" not in prose(f"{before}fd00:10:20:30:40::1{after}")


def test_structured_text_keeps_what_is_equal_equal() -> None:
    chain = "service-ABC-shop/web/tcp/http"
    one, other = structured(f'["{chain}", "{chain}", "other"]').strip("[]").split(", ")[:2]
    assert one == other
    assert "shop" not in one


def test_json_stays_json() -> None:
    data = {
        "VNI": 1,
        "VtepMAC": MAC,
        "Network": "10.0.0.0/24",
        'x\u00e4"\n': [1e99, None, "acme\\"],
    }
    found = json.loads(structured(json.dumps(data, indent=2)))
    assert found["VNI"] == 1
    assert found["VtepMAC"] == macs().text(MAC)
    assert found["Network"] == NET
    assert "acme" not in json.dumps(found)


def test_json_that_was_cut_short_is_scrubbed_all_the_same() -> None:
    found = structured('{"token": "s3cr3t", "server": "acme.exam')
    assert "s3cr3t" not in found
    assert "acme" not in found


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_json_stays_json(value: object) -> None:
    text = json.dumps([value])
    assert len(json.loads(structured(text))) == 1


def test_flannels_files_are_kept_word_for_word() -> None:
    env = "FLANNEL_NETWORK=127.0.0.0/8\nFLANNEL_SUBNET=127.0.1.1/24\nFLANNEL_MTU=1450\n"
    conf = '{"name": "cbr0", "plugins": [{"type": "flannel", "delegate": {"hairpinMode": true}}]}'
    assert structured(env) == env
    assert structured(conf) == conf


TRACER = Path(__file__).parents[3] / "tracer"
SAID_IN = [
    *(TRACER / "recording" / f"{name}.py" for name in ("record", "further", "session", "survey")),
    TRACER / "agent.py",
    *(TRACER / "collect").glob("*.py"),
]
CALLS = {
    "Trouble", "trouble", "NotRead", "Problem", "Sent", "Answer",
    "CollectFailed", "NotFound", "NotPermitted", "NotSupported", "StreamEnd", "StreamBroken",
}  # fmt: skip


def literals(node: ast.AST) -> Iterator[str]:
    """What is said in an expression, with a number where something is filled in."""
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else "7" for part in node.values]
        yield "".join(map(str, parts))
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    for inner in ast.iter_child_nodes(node):
        yield from literals(inner)


def messages(path: Path) -> Iterator[str]:
    """The literals of what a file says."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in CALLS:
            yield from literals(node)


@pytest.mark.parametrize("path", SAID_IN, ids=lambda path: path.name)
def test_every_word_of_our_own_messages_is_known(path: Path) -> None:
    """Fails for a new message? Add its words to bundle/redact/vocabulary.py."""
    for message in messages(path):
        assert REMOVED not in prose(message), message


def test_the_words_of_icmp_errors_are_known() -> None:
    from tracer.collect import icmp

    for words in (
        *icmp._TEXT4.values(),
        *icmp._TEXT6.values(),
        "SYN-ACK",
        "RST",
        "datagram",
        "echo reply",
    ):
        assert prose(f"{words} from 127.0.0.1") == f"{words} from 127.0.0.1"
