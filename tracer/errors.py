"""Errors that a user meets. A broken network is a result; a broken observation is one of these."""


class FlantraceError(Exception):
    """Something that could not be done: what, where, and what to do next.

    `exit_code` is the process's answer when nothing else could be printed.
    """

    exit_code = 4

    def __init__(self, what: str, *, where: str, hint: str) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint


class UsageError(FlantraceError):
    """Words or files that cannot be meant."""

    exit_code = 2


class NotFound(FlantraceError):
    """The API or the node has no such thing."""


class NotPermitted(FlantraceError):
    """The thing exists, and we may not."""


class NotSupported(FlantraceError):
    """This kernel, backend or installation cannot do it."""


class CollectFailed(FlantraceError):
    """Collecting broke off: an agent, a template, the API."""


class BadBundle(FlantraceError):
    """A bundle that cannot be read: truncated, hostile, or newer than this flantrace."""


class BadCapture(FlantraceError):
    """A file that is no capture, or saved state that cannot be read at all."""
