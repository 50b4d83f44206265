"""Failures as Kubernetes says them: Status objects."""

from typing import Any

from tracer.lab.apiserver.resources import Resource


class ApiFailure(Exception):
    """A request that gets a Status object with a code."""

    def __init__(self, code: int, reason: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    def status(self) -> dict[str, Any]:
        """The Status object."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": self.details,
            "code": self.code,
        }


def _about(resource: Resource, name: str) -> dict[str, Any]:
    about = {"name": name, "kind": resource.plural}
    return {**about, "group": resource.group} if resource.group else about


def no_such_path() -> ApiFailure:
    """404 for a path that names nothing."""
    return ApiFailure(404, "NotFound", "the server could not find the requested resource")


def not_found(resource: Resource, name: str) -> ApiFailure:
    """404 for an object."""
    message = f'{resource.qualified} "{name}" not found'
    return ApiFailure(404, "NotFound", message, **_about(resource, name))


def exists(resource: Resource, name: str) -> ApiFailure:
    """409 for a second object of the same name."""
    message = f'{resource.qualified} "{name}" already exists'
    return ApiFailure(409, "AlreadyExists", message, **_about(resource, name))


def conflict(resource: Resource, name: str) -> ApiFailure:
    """409 for a write that is based on an older version."""
    message = (
        f'Operation cannot be fulfilled on {resource.qualified} "{name}": the object has been '
        "modified; please apply your changes to the latest version and try again"
    )
    return ApiFailure(409, "Conflict", message, **_about(resource, name))


def invalid(resource: Resource, name: str, field: str, why: str) -> ApiFailure:
    """422 for an object that may not be so."""
    message = f'{resource.kind} "{name}" is invalid: {field}: {why}'
    causes = [{"reason": "FieldValueInvalid", "message": why, "field": field}]
    return ApiFailure(422, "Invalid", message, **_about(resource, name), causes=causes)


def bad_request(message: str) -> ApiFailure:
    """400."""
    return ApiFailure(400, "BadRequest", message)


def unsupported_media(given: str, allowed: str) -> ApiFailure:
    """415 for a patch of an unknown kind."""
    message = f"the body of the request was in an unknown format ({given}); accepted: {allowed}"
    return ApiFailure(415, "UnsupportedMediaType", message)


def expired(revision: int, oldest: int) -> ApiFailure:
    """410: the caller has to list again."""
    return ApiFailure(410, "Expired", f"too old resource version: {revision} ({oldest})")
