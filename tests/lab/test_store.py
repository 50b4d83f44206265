"""The API server's parts by themselves: no root, no lab."""

import asyncio
import json

import pytest

from tracer.lab.apiserver import watch
from tracer.lab.apiserver.failures import ApiFailure
from tracer.lab.apiserver.patches import PatchRefused, json_patch, merge_patch, strategic_merge
from tracer.lab.apiserver.resources import Object, Resource, find
from tracer.lab.apiserver.selectors import field_test, label_test
from tracer.lab.apiserver.store import Store
from tracer.lab.apiserver.tables import human_duration, table
from tracer.lab.apiserver.target import target_of
from tracer.lab.apiserver.writes import delete, patch
from tracer.lab.rest import difference


def resource(plural: str) -> Resource:
    found = find("", "v1", plural)
    assert found is not None
    return found


PODS = resource("pods")


def pod(name: str, node: str = "", **labels: str) -> Object:
    meta = {"name": name, "namespace": "default", "labels": labels}
    return {"metadata": meta, "spec": {"nodeName": node}}


def watched(store: Store, query: dict[str, str], path: str = "/api/v1/pods") -> list[Object]:
    async def collect() -> list[Object]:
        stream = watch.events(store, target_of(path), query, None, longest_s=0)
        return [json.loads(line) async for line in stream]

    return asyncio.run(collect())


def test_a_watch_from_a_forgotten_version_is_an_error_410_in_the_stream() -> None:
    store = Store(remembered=2)
    for name in ("a", "b", "c", "d"):
        store.create(PODS, pod(name))
    (event,) = watched(store, {"resourceVersion": "2"})
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)
    assert event["object"]["reason"] == "Expired"
    assert [each["type"] for each in watched(store, {"resourceVersion": "3"})] == ["ADDED"] * 2


def test_a_watch_with_a_selector_sees_objects_move_in_and_out() -> None:
    store = Store()
    store.create(PODS, pod("a"))
    start = str(store.revision)
    for node in ("node-a", "node-b"):
        store.update(PODS, ("default", "a"), pod("a", node), None)
    query = {"resourceVersion": start, "fieldSelector": "spec.nodeName=node-a"}
    assert [each["type"] for each in watched(store, query)] == ["ADDED", "DELETED"]


def test_a_watch_without_version_begins_with_what_is_there_and_can_end_with_a_bookmark() -> None:
    store = Store()
    store.create(PODS, pod("a"))
    seen = watched(store, {"allowWatchBookmarks": "true"})
    assert [each["type"] for each in seen] == ["ADDED", "BOOKMARK"]
    assert seen[1]["object"]["metadata"]["resourceVersion"] == str(store.revision)


def test_a_write_that_changes_nothing_makes_no_version() -> None:
    store = Store()
    store.create(PODS, pod("a"))
    before = store.revision
    store.update(PODS, ("default", "a"), store.one(PODS, ("default", "a")), None)
    assert store.revision == before


def test_labels_are_selected_by_every_kind_of_requirement() -> None:
    one = pod("a", app="flannel", tier="node")
    for selector in ("app=flannel", "app==flannel,tier", "app!=x", "tier in (node, x)", "!nope",
                     "tier notin (x,y),app in (flannel)", ""):  # fmt: skip
        assert label_test(selector)(one), selector
    for selector in ("app=x", "!app", "app notin (flannel)", "nope", "tier!=node"):
        assert not label_test(selector)(one), selector
    with pytest.raises(ApiFailure):
        label_test("a=b=c")


def test_fields_are_selected_and_unknown_ones_refused() -> None:
    assert field_test("spec.nodeName=node-a,metadata.name!=b", PODS)(pod("a", "node-a"))
    assert not field_test("status.phase!=", PODS)(pod("a"))
    with pytest.raises(ApiFailure) as refused:
        field_test("spec.color=red", PODS)
    assert refused.value.code == 400


def test_the_merge_patch_removes_by_null_and_replaces_lists() -> None:
    target = {"a": {"b": 1, "c": [1, 2]}, "d": 1}
    assert merge_patch(target, {"a": {"b": None, "c": [3]}, "e": {"f": None}}) == {
        "a": {"c": [3]},
        "d": 1,
        "e": {},
    }


def test_the_difference_is_the_merge_patch_that_leads_there() -> None:
    now = {"a": 1, "b": {"c": 1, "d": [1]}, "e": 1}
    wanted = {"a": 1, "b": {"d": [2]}, "f": {"g": "h"}}
    assert merge_patch(now, difference(now, wanted)) == wanted
    assert difference(now, now) == {}


def test_the_strategic_patch_merges_lists_by_their_key() -> None:
    target = {"conditions": [{"type": "A", "status": "True"}, {"type": "B", "status": "True"}]}
    patch = {"conditions": [{"type": "A", "status": "False"}, {"type": "C", "status": "True"}]}
    merged = strategic_merge(target, patch)["conditions"]
    assert [(each["type"], each["status"]) for each in merged] == [
        ("A", "False"),
        ("B", "True"),
        ("C", "True"),
    ]
    gone = strategic_merge(target, {"conditions": [{"type": "A", "$patch": "delete"}]})
    assert [each["type"] for each in gone["conditions"]] == ["B"]
    ordered = {"$setElementOrder/conditions": [{"type": "B"}, {"type": "A"}]}
    assert [e["type"] for e in strategic_merge(target, ordered)["conditions"]] == ["B", "A"]


def test_the_strategic_patch_knows_its_directives() -> None:
    target = {"map": {"a": 1, "b": 2}, "finalizers": ["x", "y"], "args": ["1"]}
    assert strategic_merge(target, {"map": {"$patch": "replace", "c": 3}})["map"] == {"c": 3}
    assert strategic_merge(target, {"map": {"$retainKeys": ["a"]}})["map"] == {"a": 1}
    less = {"$deleteFromPrimitiveList/finalizers": ["x"]}
    assert strategic_merge(target, less)["finalizers"] == ["y"]
    assert strategic_merge(target, {"finalizers": ["z"]})["finalizers"] == ["x", "y", "z"]
    assert strategic_merge(target, {"args": ["2"]})["args"] == ["2"]


def test_the_json_patch_knows_all_operations() -> None:
    document = {"a": [1, 3], "b": {"c/d": 1}}
    operations = [
        {"op": "test", "path": "/b/c~1d", "value": 1},
        {"op": "add", "path": "/a/1", "value": 2},
        {"op": "add", "path": "/a/-", "value": 4},
        {"op": "replace", "path": "/b/c~1d", "value": 9},
        {"op": "copy", "from": "/a/0", "path": "/first"},
        {"op": "move", "from": "/b", "path": "/e"},
        {"op": "remove", "path": "/a/0"},
    ]
    assert json_patch(document, operations) == {"a": [2, 3, 4], "e": {"c/d": 9}, "first": 1}
    assert document == {"a": [1, 3], "b": {"c/d": 1}}


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ({"op": "remove", "path": "/x"}, 422),
        ({"op": "add", "path": "/a/7", "value": 1}, 422),
        ({"op": "test", "path": "/a", "value": 1}, 422),
        ({"op": "dance", "path": "/a"}, 400),
        ({"op": "add", "path": "a", "value": 1}, 400),
        ({"op": "add", "path": "/a"}, 400),
        ("nonsense", 400),
    ],
)
def test_a_json_patch_that_does_not_apply_is_refused(operation: object, code: int) -> None:
    with pytest.raises(PatchRefused) as refused:
        json_patch({"a": [1]}, [operation])
    assert refused.value.code == code


@pytest.mark.parametrize(
    "path",
    ["/api/v1/widgets", "/api/v2/pods", "/apis/apps/v1", "/api/v1/pods/a", "/x",
     "/api/v1/namespaces/default/nodes", "/api/v1/namespaces/default/pods/a/log"],
)  # fmt: skip
def test_a_path_that_names_nothing_is_404(path: str) -> None:
    with pytest.raises(ApiFailure) as refused:
        target_of(path)
    assert refused.value.code == 404


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0s"), (119, "119s"), (125, "2m5s"), (660, "11m"), (3 * 3600 + 120, "3h2m"),
     (30 * 3600, "30h"), (3 * 86400 + 7200, "3d2h"), (20 * 86400, "20d"), (800 * 86400, "2y70d")],
)  # fmt: skip
def test_ages_read_as_kubectls(seconds: int, words: str) -> None:
    assert human_duration(seconds) == words


def test_services_and_their_slices_are_shown_as_kubectl_shows_them() -> None:
    meta = {"name": "db", "namespace": "shop"}
    spec = {"clusterIP": "10.96.0.10", "ports": [{"port": 80}, {"port": 53, "protocol": "UDP"}]}
    shown = table(resource("services"), [{"metadata": meta, "spec": spec}], {}, {"version": "v1"})
    assert shown["rows"][0]["cells"][:5] == [
        "db", "ClusterIP", "10.96.0.10", "<none>", "80/TCP,53/UDP",
    ]  # fmt: skip
    slices = find("discovery.k8s.io", "v1", "endpointslices")
    assert slices is not None
    one = {"metadata": meta, "addressType": "IPv4", "endpoints": [{"addresses": ["10.244.1.2"]}]}
    cells = table(slices, [one], {}, {"version": "v1"})["rows"][0]["cells"]
    assert cells[:3] == ["db", "IPv4", "10.244.1.2"]


def test_pods_are_selected_by_their_address() -> None:
    held = {**pod("a"), "status": {"podIP": "10.244.1.2"}}
    assert field_test("status.podIP=10.244.1.2", PODS)(held)
    assert not field_test("status.podIP=10.244.1.3", PODS)(held)


def test_what_a_finalizer_holds_is_marked_and_goes_with_its_last_finalizer() -> None:
    store = Store()
    target = target_of("/api/v1/namespaces/default/pods/a")
    store.create(PODS, pod("a"))
    held = {"metadata": {"finalizers": ["example.org/wait"]}}
    merge = "application/merge-patch+json"
    patch(store, target, json.dumps(held).encode(), merge, dry=False)
    marked = delete(store, target, b"", dry=False)
    assert marked["metadata"]["deletionTimestamp"]
    assert delete(store, target, b"", dry=False) == marked
    undone = {"metadata": {"deletionTimestamp": None}}
    patch(store, target, json.dumps(undone).encode(), merge, dry=False)
    assert store.one(PODS, ("default", "a"))["metadata"]["deletionTimestamp"]
    freed: Object = {"metadata": {"finalizers": []}}
    patch(store, target, json.dumps(freed).encode(), merge, dry=False)
    assert store.every(PODS) == []
