"""SelfSubjectAccessReviews: may I? The lab has no RBAC, and says yes to everything."""

import json
from collections.abc import Callable
from typing import TypeAlias

from tracer.lab.apiserver.failures import bad_request
from tracer.lab.apiserver.resources import Object

PATH = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

May: TypeAlias = Callable[[Object], bool]
"""spec.resourceAttributes -> whether they are allowed."""


def everything(_attributes: Object) -> bool:
    """Yes."""
    return True


def answered(body: bytes, may: May) -> Object:
    """The review with its status. Raises ApiFailure 400."""
    try:
        review: Object = json.loads(body)
        attributes: Object = review["spec"]["resourceAttributes"]
    except (ValueError, KeyError, TypeError):
        raise bad_request("the request's body is no SelfSubjectAccessReview") from None
    return {**review, "status": {"allowed": may(attributes)}}
