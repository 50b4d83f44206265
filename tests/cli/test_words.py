"""Common options stand before or after the command, and `trace` need not be said."""

import click
import pytest

from tracer.cli.words import arranged


@click.group()
def group() -> None:
    pass


@group.command()
@click.argument("a")
@click.option("--lab", is_flag=True)
@click.option("-n", "--namespace")
def trace(**_: object) -> None:
    raise AssertionError


@group.command()
@click.option("--depth")
def replay(**_: object) -> None:
    raise AssertionError


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("pod-a pod-b", "trace pod-a pod-b"),
        ("trace pod-a pod-b", "trace pod-a pod-b"),
        ("--lab pod-a pod-b", "trace --lab pod-a pod-b"),
        ("pod-a pod-b --lab", "trace pod-a pod-b --lab"),
        ("-n shop pod-a pod-b", "trace -n shop pod-a pod-b"),
        ("--namespace=shop pod-a pod-b", "trace --namespace=shop pod-a pod-b"),
        ("--depth verdict replay x.tgz", "replay --depth verdict x.tgz"),
        ("--lab trace replay pod-b", "trace --lab replay pod-b"),
        ("-- pod-a pod-b", "trace -- pod-a pod-b"),
        ("--help", "--help"),
        ("", ""),
    ],
)
def test_words_are_arranged(said: str, meant: str) -> None:
    assert arranged(said.split(), group) == meant.split()
