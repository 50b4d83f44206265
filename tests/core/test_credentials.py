"""Credentials in what other programs wrote do not get into a recording; everything else does."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracer.core.credentials import REMOVED, without_credentials

MARK = "s3cr3t-M4RK"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('{"policy": {"type": "k8s", "k8s_auth_token": "MARK"}}', "policy.k8s_auth_token"),
        ('{"Backend": {"Type": "ipsec", "PSK": "MARK"}}', "Backend.PSK"),
        ('{"Network": "10.244.0.0/16", "etcd_password":"MARK"}', "etcd_password"),
        ('{"a": {"clientSecret"  :\n "MARK \\" , } more"}}', "a.clientSecret"),
        ('{"auth": {"basic": {"user": "MARK", "n": 7}}}', "auth.basic.user"),
        ('{"privateKey": "-----BEGIN EC PRIVATE KEY-----\\nMARK\\n-----END EC PRIVATE KEY-----"}',
         "privateKey"),
    ],
)  # fmt: skip
def test_a_value_in_json_is_replaced_and_json_stays_json(text: str, path: str) -> None:
    cleaned = without_credentials(text.replace("MARK", MARK))
    assert MARK not in cleaned
    found = json.loads(cleaned)
    before = json.loads(text)
    for step in path.split("."):
        found, before = found[step], before[step]
    assert found == REMOVED != before


@pytest.mark.parametrize(
    "text",
    [
        "users:\n- name: x\n  user:\n    token: MARK\n",
        "    client-key-data: MARK\n    client-certificate-data: x\n",
        "    password: 'MARK'\n",
        'token: "MARK"\n',
        '{"cut": 1, "token": "MARK", "half": {',
        '{"cut": 1, "token": "MARK',
        "token: |\n  MARK\n  MARK\nnext: 1\n",
        "{user: {token: MARK, name: x}}",
        "-----BEGIN RSA PRIVATE KEY-----\nMARK\n-----END RSA PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\nMARK, and the file was cut",
    ],
)
def test_a_value_in_yaml_is_replaced(text: str) -> None:
    assert MARK not in without_credentials(text.replace("MARK", MARK))


def test_an_object_below_a_suspicious_key_keeps_its_shape() -> None:
    cleaned = json.loads(without_credentials('{"auth": {"user": "x", "n": 7, "of": ["y"]}}'))
    assert cleaned == {"auth": {"user": REMOVED, "n": 7, "of": [REMOVED]}}


def test_a_deep_nest_ends() -> None:
    assert without_credentials("[" * 100_000)


def test_the_rest_of_a_block_stays() -> None:
    assert without_credentials(f"token: |\n  {MARK}\nnext: 1\n") == f'token: "{REMOVED}"\nnext: 1\n'


FLANNELS = """{
  "name": "cbr0",
  "cniVersion": "0.3.1",
  "plugins": [
    {"type": "flannel", "delegate": {"hairpinMode": true, "isDefaultGateway": true}},
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
"""


@pytest.mark.parametrize(
    "text",
    [
        FLANNELS,
        '{"Network": "10.244.0.0/16", "EnableNFTables": false, "Backend": {"Type": "vxlan"}}',
        "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_IPMASQ=true\n",
        '{"kubernetes": {"kubeconfig": "/etc/cni/net.d/calico-kubeconfig"}}',
        '{"serviceAccountTokens": null, "useToken": false}',
        "",
    ],
)
def test_what_is_no_credential_stays_as_it_was(text: str) -> None:
    assert without_credentials(text) == text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(JSON, st.sampled_from(["token", "api_token", "PSK", "userPassword", "client-key-data"]))
def test_any_json_stays_json_and_loses_the_value(document: object, key: str) -> None:
    text = json.dumps({"document": document, key: MARK})
    cleaned = json.loads(without_credentials(text))
    assert cleaned[key] == REMOVED
    assert MARK not in json.dumps(cleaned)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 65_536,
        "token" * 13_000,
        "-----BEGIN " * 6_000,
        "token: |\n " * 6_500,
        "token:" + " " * 65_000,
        "token:\n" * 9_000,
        '"token: "' * 7_000,
        "token: '" * 8_000,
        'x"token"' * 8_000 + "\n" * 1_000,
    ],
    ids=lambda text: repr(text[:12]),
)
def test_a_hostile_file_takes_no_longer_than_another(text: str) -> None:
    begun = time.process_time()
    without_credentials(text)
    assert time.process_time() - begun < 2
