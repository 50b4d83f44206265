"""Of thousands of Services a few stand for all; every other rule stays, word for word."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.collect.service_rules import SAMPLE, WHOLE, with_few_services

OTHERS = """*filter
:FORWARD DROP [0:0]
:KUBE-FORWARD - [0:0]
-A FORWARD -j KUBE-FORWARD
-A FORWARD -s 10.9.0.0/16 -j DROP
COMMIT
"""
COMMON = ("KUBE-SERVICES", "KUBE-MARK-MASQ", "KUBE-POSTROUTING", "KUBE-NODEPORTS")


def hashed(word: str) -> str:
    return hashlib.sha256(word.encode()).hexdigest()[:16].upper()


def services(count: int) -> tuple[list[str], list[tuple[str, str, str]]]:
    """Chains, and rules as (chain, words, target), of so many Services with two endpoints each."""
    chains, rules = [], []
    for number in range(count):
        service = f"KUBE-SVC-{hashed(f's{number}')}"
        chains.append(service)
        rules.append(("KUBE-SERVICES", f"-d 10.96.{number // 250}.{number % 250}/32", service))
        rules.append((service, "! -s 10.244.0.0/16", "KUBE-MARK-MASQ"))
        for endpoint in range(2):
            one = f"KUBE-SEP-{hashed(f's{number}e{endpoint}')}"
            chains.append(one)
            rules.append((service, '-m comment --comment "shop/web -> 10.244.1.2:80"', one))
            rules.append((one, "-p tcp", "DNAT --to-destination 10.244.1.2:80"))
    return sorted(chains), rules


def iptables(count: int) -> str:
    chains, rules = services(count)
    head = "".join(f":{chain} - [0:0]\n" for chain in (*COMMON, *chains))
    return f"*nat\n{head}" + "".join(f"-A {a} {b} -j {c}\n" for a, b, c in rules) + "COMMIT\n"


def iptables_nft(count: int) -> list[dict[str, Any]]:
    chains, rules = services(count)
    table = {"family": "ip", "table": "nat"}
    return [
        *({"chain": {**table, "name": chain}} for chain in (*COMMON, *chains)),
        *(
            {"rule": {**table, "chain": a, "expr": [{"xt": None}, {"jump": {"target": c}}]}}
            for a, _, c in rules
        ),
    ]


def kube_proxy_nft(count: int) -> list[dict[str, Any]]:
    """kube-proxy's nftables mode: Services are elements of a map."""
    table = {"family": "ip", "table": "kube-proxy"}
    names = [f"service-{hashed(f's{number}')[:8]}-shop/web/tcp/p" for number in range(count)]
    elements = [
        [{"concat": [f"10.96.{n // 250}.{n % 250}", "tcp", 80]}, {"goto": {"target": name}}]
        for n, name in enumerate(names)
    ]
    dnat = [{"dnat": {"addr": "10.244.1.2", "port": 8080}}, {"counter": {"packets": 0}}]
    return [
        {"map": {**table, "name": "service-ips", "type": ["ipv4_addr"], "elem": elements}},
        *({"chain": {**table, "name": name}} for name in names),
        {"rule": {**table, "chain": "services", "expr": [{"vmap": {"data": "@service-ips"}}]}},
        *({"rule": {**table, "chain": name, "expr": dnat}} for name in names),
    ]


def test_a_small_dump_is_kept_whole() -> None:
    text = OTHERS + iptables(100)
    assert len(text) < WHOLE
    assert with_few_services(text) == text


def test_of_many_services_in_iptables_the_first_are_kept() -> None:
    kept = with_few_services(iptables(2000) + OTHERS)
    assert kept.count("-A KUBE-SERVICES ") == SAMPLE
    assert kept.count("DNAT") == 2 * SAMPLE
    assert kept.count("! -s 10.244.0.0/16 -j KUBE-MARK-MASQ") == SAMPLE
    assert OTHERS in kept
    assert all(f":{chain} - [0:0]\n" in kept for chain in COMMON)
    jumps = {line.rpartition(" -j ")[2] for line in kept.splitlines() if " -j KUBE-S" in line}
    assert all(f":{chain} - [0:0]\n" in kept for chain in jumps), "no jump leads nowhere"
    assert kept.splitlines()[-1] == (
        f"# flantrace left out {(2000 - SAMPLE) * 9} lines of other Services"
    )


def names(ruleset: str) -> list[str]:
    return [next(iter(one)) for one in json.loads(ruleset)["nftables"]]


def test_of_many_services_in_nft_the_first_are_kept() -> None:
    drop = {"rule": {"family": "inet", "table": "fw", "chain": "f", "expr": [{"drop": None}]}}
    text = json.dumps({"nftables": [{"metainfo": {}}, *iptables_nft(2000), drop]})
    kept = json.loads(with_few_services(text))["nftables"]
    assert drop in kept
    assert len([one for one in kept if "chain" in one]) == len(COMMON) + 3 * SAMPLE
    assert len([one for one in kept if "rule" in one]) == 6 * SAMPLE + 1
    assert kept[-1] == {"metainfo": {"left_out_of_other_services": (2000 - SAMPLE) * 9}}


def test_of_a_map_of_services_the_first_elements_are_kept() -> None:
    text = json.dumps({"nftables": kube_proxy_nft(2000)})
    assert len(text) > WHOLE
    kept = json.loads(with_few_services(text))["nftables"]
    assert len(kept[0]["map"]["elem"]) == SAMPLE
    assert kept[0]["map"]["name"] == "service-ips"
    assert len([one for one in kept if "chain" in one]) == SAMPLE
    assert {"vmap": {"data": "@service-ips"}} in [
        part for one in kept if "rule" in one for part in one["rule"]["expr"]
    ]


@pytest.mark.parametrize("begin", ["", "{", '{"nftables": [', '{"nftables": 3', "[" * 9000])
def test_a_large_dump_of_another_form_stays_as_it_was(begin: str) -> None:
    text = begin + "x" * WHOLE
    assert with_few_services(text) == text


@given(st.text(alphabet=':-AjKUBESVCP \n"{}[]0123456789ABCDEF', max_size=60))
def test_no_text_breaks_it(text: str) -> None:
    with_few_services(text * (WHOLE // max(len(text), 1) + 1))
