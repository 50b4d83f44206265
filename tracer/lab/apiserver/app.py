"""The HTTP side: requests to the store, answers to the caller."""

import base64
import json
from collections.abc import Mapping

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from tracer.lab.apiserver import execs, resources, reviews, watch, writes
from tracer.lab.apiserver.execs import Enter
from tracer.lab.apiserver.failures import ApiFailure, bad_request
from tracer.lab.apiserver.resources import Object
from tracer.lab.apiserver.reviews import May
from tracer.lab.apiserver.store import Store, key_of
from tracer.lab.apiserver.tables import table
from tracer.lab.apiserver.target import Target, number, table_query, target_of

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def application(store: Store, enter: Enter, may: May = reviews.everything) -> Starlette:
    """The API over that store; `enter` says how commands get into pods, `may` what is allowed."""

    async def execute(socket: WebSocket) -> None:
        await execs.execute(store, enter, socket)

    async def answer(request: Request) -> Response:
        try:
            return await _answer(store, request)
        except ApiFailure as failure:
            return JSONResponse(failure.status(), status_code=failure.code)

    async def review(request: Request) -> Response:
        try:
            return JSONResponse(reviews.answered(await request.body(), may), status_code=201)
        except ApiFailure as failure:
            return JSONResponse(failure.status(), status_code=failure.code)

    return Starlette(
        routes=[
            Route("/healthz", _ok),
            Route("/livez", _ok),
            Route("/readyz", _ok),
            Route(reviews.PATH, review, methods=["POST"]),
            Route("/{path:path}", answer, methods=METHODS),
            WebSocketRoute("/{path:path}", execute),
        ]
    )


async def _ok(_request: Request) -> Response:
    return PlainTextResponse("ok")


def _discovery(request: Request) -> Object | None:
    steps = [step for step in request.url.path.split("/") if step]
    server = f"{request.url.hostname}:{request.url.port}"
    if steps == ["version"]:
        return resources.VERSION
    if steps == ["api"]:
        return resources.core_versions(server)
    if steps == ["apis"]:
        return resources.group_list()
    if steps[:1] == ["api"] and len(steps) == 2:
        return resources.resource_list("", steps[1])
    if steps[:1] == ["apis"] and len(steps) == 2:
        return resources.group(steps[1])
    if steps[:1] == ["apis"] and len(steps) == 3:
        return resources.resource_list(steps[1], steps[2])
    return None


async def _answer(store: Store, request: Request) -> Response:
    if request.method == "GET" and (known := _discovery(request)) is not None:
        return JSONResponse(known)
    target = target_of(request.url.path)
    query = dict(request.query_params)
    if request.method == "GET":
        return _read(store, target, query, request.headers.get("accept", ""))
    dry = "dryRun" in query
    body = await request.body()
    if target.name is None:
        if request.method != "POST" or (target.resource.namespaced and not target.namespace):
            raise _not_allowed(request.method)
        return JSONResponse(writes.create(store, target, body, dry=dry), status_code=201)
    if request.method == "PUT":
        return JSONResponse(writes.replace(store, target, body, dry=dry))
    if request.method == "PATCH":
        kind = request.headers.get("content-type", "").split(";")[0].strip()
        if kind == writes.APPLY:
            manager = query.get("fieldManager", "")
            return JSONResponse(writes.apply(store, target, body, manager, dry=dry))
        return JSONResponse(writes.patch(store, target, body, kind, dry=dry))
    if request.method == "DELETE" and not target.status:
        return JSONResponse(writes.delete(store, target, body, dry=dry))
    raise _not_allowed(request.method)


def _not_allowed(method: str) -> ApiFailure:
    message = f"the server does not allow {method} on the requested resource"
    return ApiFailure(405, "MethodNotAllowed", message)


def _read(store: Store, target: Target, query: Mapping[str, str], accept: str) -> Response:
    as_table = table_query(accept, query)
    if query.get("watch") in ("true", "1"):
        watch.check(target, query)
        number(query, "resourceVersion")
        number(query, "timeoutSeconds")
        target.selects(query)
        body = watch.events(store, target, query, as_table)
        return StreamingResponse(body, media_type="application/json")
    if target.name is not None:
        each = store.one(target.resource, target.key)
        if as_table is None:
            return JSONResponse(each)
        meta = {"resourceVersion": each["metadata"]["resourceVersion"]}
        return JSONResponse(table(target.resource, [each], meta, as_table))
    test = target.selects(query)
    rows, meta = _page(store, list(filter(test, store.every(target.resource))), query)
    if as_table is not None:
        return JSONResponse(table(target.resource, rows, meta, as_table))
    return JSONResponse(
        {
            "kind": f"{target.resource.kind}List",
            "apiVersion": target.resource.api_version,
            "metadata": meta,
            "items": rows,
        }
    )


def _page(
    store: Store, rows: list[Object], query: Mapping[str, str]
) -> tuple[list[Object], Object]:
    """One page of a list, by `limit` and `continue`. Pages are of the present, not of the past."""
    if token := query.get("continue"):
        try:
            namespace, name = json.loads(base64.urlsafe_b64decode(token))
        except (ValueError, TypeError):
            raise bad_request("continue key is not valid") from None
        rows = [each for each in rows if key_of(each) > (namespace, name)]
    meta: Object = {"resourceVersion": str(store.revision)}
    limit = number(query, "limit")
    if limit and len(rows) > limit:
        meta["remainingItemCount"] = len(rows) - limit
        rows = rows[:limit]
        last = json.dumps(key_of(rows[-1])).encode()
        meta["continue"] = base64.urlsafe_b64encode(last).decode()
    return rows, meta
