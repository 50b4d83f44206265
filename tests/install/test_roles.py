"""The roles for people hold what flantrace asks of the API: nothing missing, nothing unused."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.apiserver import Server, endpoint, serving_agents
from tracer.cli.main import run
from tracer.collect.kube import CONFIG_MAPS
from tracer.core.access import NEEDS, Use
from tracer.install.manifests import objects
from tracer.install.roles import EPHEMERAL_OPERATOR, OPERATOR, WATCHER
from tracer.install.settings import Settings
from tracer.lab.apiserver.resources import NAMESPACES

WORDS = {"GET": "get", "POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}


class Permission(NamedTuple):
    """What RBAC is asked for one request."""

    verb: str
    group: str
    resource: str
    name: str = ""
    """Only where a role names objects."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving_agents(tmp_path) as made:
        made.store.create(NAMESPACES, {"metadata": {"name": "flantrace"}})
        made.pod("web-0", "node-a", "10.244.1.7")
        made.pod("db-0", "node-b", "10.244.2.9")
        made.service("front", "10.96.0.7")
        target = endpoint("db-0", "node-b", "10.244.2.9")
        made.slice("front", target)
        made.add("endpoints", "front", "shop", subsets=[{"addresses": [{"ip": "10.244.2.9"}]}])
        for node in ("node-a", "node-b", "node-c"):
            made.agent_pod(node)
        yield made


def permission(method: str, url: str, websocket: bool) -> list[Permission]:
    """As the API server's request info has it (staging/src/k8s.io/apiserver, requestinfo.go).

    None for what everybody may ask who is known to the API server.
    """
    parts = urlsplit(url)
    if parts.path == "/version" or parts.path.endswith("/selfsubjectaccessreviews"):
        return []
    steps = parts.path.strip("/").split("/")
    group = "" if steps[0] == "api" else steps[1]
    rest = steps[2:] if steps[0] == "api" else steps[3:]
    if rest[0] == "namespaces" and len(rest) > 2:
        rest = rest[2:]
    resource, name = rest[0], rest[1] if len(rest) > 1 else ""
    if len(rest) > 2:
        resource = f"{resource}/{rest[2]}"
    verb, query = WORDS[method], parse_qs(parts.query)
    if verb == "get" and not name:
        verb = "watch" if query.get("watch") else "list"
        chosen = query.get("fieldSelector", [""])[0]
        name = chosen.removeprefix("metadata.name=") if "metadata.name=" in chosen else ""
    # From Kubernetes 1.35 on (AuthorizePodWebsocketUpgradeCreatePermission).
    verbs = [verb, "create"] if websocket else [verb]
    return [Permission(one, group, resource, name) for one in verbs]


def asked(server: Server) -> set[Permission]:
    """Everything that was asked since the last time, without the names."""
    found = {
        one
        for request in server.requests
        for one in permission(request.method, request.url, request.websocket)
    }
    server.requests.clear()
    return found


def granted(kind: str, name: str) -> set[Permission]:
    """Every permission that a role gives; a rule for named objects gives one for each."""
    (role,) = (
        one
        for one in objects(Settings(image="x"))
        if (one["kind"], one["metadata"]["name"]) == (kind, name)
    )
    return {
        Permission(verb, group, resource, named)
        for rule in role["rules"]
        for group, resource, verb, named in itertools.product(
            rule["apiGroups"], rule["resources"], rule["verbs"], rule.get("resourceNames", [""])
        )
    }


NAMED = {one.resource for one in granted("ClusterRole", OPERATOR) if one.name}


def needed(server: Server) -> set[Permission]:
    """What was asked, with names only where the roles have them."""
    return {one if one.resource in NAMED else one._replace(name="") for one in asked(server)}


def typed(server: Server, *words: str) -> set[Permission]:
    """What one command line needs. It must have come as far as to ask the agents."""
    folder = str(Path(server.kubeconfig).parent / "x.tgz")
    server.requests.clear()
    run([*words, "--kubeconfig", server.kubeconfig, "--save", folder, "--timeout", "8"])
    return needed(server)


def doctor(server: Server) -> set[Permission]:
    server.requests.clear()
    run(["doctor", "--kubeconfig", server.kubeconfig, "--timeout", "8"])
    return needed(server)


@pytest.fixture
def traces(server: Server) -> set[Permission]:
    """Of every kind of trace and check by the pods of an installation."""
    found: set[Permission] = set()
    for ends in (
        ["shop/web-0", "shop/db-0"],
        ["shop/web-0", "svc/shop/front"],
        ["10.244.1.7", "10.96.0.7"],
        ["node/node-a", "node/node-b"],
    ):
        found |= typed(server, *ends, "--passive", "--for", "100ms")
    found |= typed(server, "check")
    found |= doctor(server)
    server.answers["/endpointslices"] = 404  # a cluster that has none yet
    found |= typed(server, "shop/web-0", "svc/shop/front", "--passive", "--for", "100ms")
    return found


def test_whoever_traces_and_checks_needs_the_operators_roles_and_all_of_them(
    traces: set[Permission],
) -> None:
    assert traces == granted("ClusterRole", OPERATOR) | granted("Role", OPERATOR)


def test_pods_for_one_trace_need_one_role_more_and_all_of_it(
    server: Server, traces: set[Permission]
) -> None:
    words = ["--ephemeral", "--image", "registry.example/flantrace:1"]
    pods = typed(server, "shop/web-0", "shop/db-0", "--passive", "--for", "100ms", *words)
    pods |= typed(server, "check", *words)
    assert pods - traces == granted("Role", EPHEMERAL_OPERATOR)


@pytest.mark.kernel
def test_a_watch_on_its_node_needs_its_own_role_and_all_of_it(server: Server) -> None:
    words = ["watch", "--here", "--node", "node-a", "--kubeconfig", server.kubeconfig]
    asked: set[Permission] = set()
    for namespace, name in CONFIG_MAPS[1:]:
        conf = {"net-conf.json": '{"Network": "10.244.0.0/16", "Backend": {"Type": "vxlan"}}'}
        server.add("configmaps", name, namespace, data=conf)
        server.requests.clear()
        assert run([*words, "--for", "2s"]) == 0
        asked |= needed(server)
        server.remove("configmaps", name, namespace)
    assert asked == granted("ClusterRole", WATCHER)


def test_names_are_completed_with_the_operators_roles(
    server: Server, traces: set[Permission]
) -> None:
    from tracer.cli.completion import for_kubectl
    from tracer.cli.main import flantrace

    server.requests.clear()
    for incomplete in ("w", "node/", "svc/shop/"):
        for_kubectl(flantrace, ["--kubeconfig", server.kubeconfig, "-n", "shop", incomplete])
    assert needed(server) <= traces


def test_the_doctor_asks_for_what_the_roles_give() -> None:
    def wanted(*uses: Use) -> set[Permission]:
        found = set()
        for need in NEEDS:
            plural, _, group = need.resource.partition(".")
            if need.use in uses:
                found.add(Permission(need.verb, group, plural, need.name or ""))
        return found

    operator = granted("ClusterRole", OPERATOR) | granted("Role", OPERATOR)
    everyone = wanted(Use.TRACE, Use.FLANNEL, Use.SERVICES, Use.EXEC)
    assert everyone < operator
    assert wanted(Use.EPHEMERAL) <= operator | granted("Role", EPHEMERAL_OPERATOR)
    assert wanted(Use.EPHEMERAL) - operator == granted("Role", EPHEMERAL_OPERATOR)


def test_agents_have_no_permission_at_all() -> None:
    bound = [one for one in objects(Settings(image="x")) if re.search("Binding$", one["kind"])]
    assert bound == []


def test_no_rule_is_for_everything() -> None:
    rules: list[dict[str, Any]] = [
        rule for one in objects(Settings(image="x")) for rule in one.get("rules", ())
    ]
    assert rules
    for rule in rules:
        assert "*" not in {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
        assert "secrets" not in rule["resources"]
