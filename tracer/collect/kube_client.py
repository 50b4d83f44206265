"""The official client in this process: for what is asked once, what is written, and exec.

The home of the package `kubernetes`. It also reads what says which API server is meant, and as
whom to ask it, on behalf of collect/kube_identity.py.
"""

from __future__ import annotations

import os
from typing import Any

from tracer.collect.kube_errors import no_config, unanswered

CONNECTIONS = 40
"""A pod for each of 32 nodes at a time: the client warns on stderr when it keeps too few."""


class Client:
    """One API server, by the package `kubernetes`."""

    def __init__(self, kubeconfig: str | None, context: str | None) -> None:
        """CollectFailed: there is no configuration, or it cannot be read."""
        from kubernetes import client

        configuration = configured(kubeconfig, context)
        configuration.retries = False
        configuration.connection_pool_maxsize = CONNECTIONS
        self.server = str(configuration.host)
        self._client = client.ApiClient(configuration)

    def sent(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: dict[str, Any] | None,
        timeout_s: float | tuple[float, float],
    ) -> Any:
        """As Transport says."""
        from kubernetes.client.exceptions import ApiException

        try:
            request = self._client.param_serialize(
                method, path, header_params=headers, body=body, auth_settings=["BearerToken"]
            )
            return self._client.call_api(*request, _request_timeout=timeout_s).response
        except ApiException as error:
            raise unanswered(self.server, error) from None

    def websocket(self, path: str, protocol: str) -> Any:
        """As Transport says."""
        from kubernetes.stream import ws_client

        stream: Any = ws_client
        wanted = {"sec-websocket-protocol": protocol}
        request = self._client.param_serialize(
            "GET", path, header_params=wanted, auth_settings=["BearerToken"]
        )
        url, headers = stream.get_websocket_url(request[1]), request[2]
        return stream.create_websocket(self._client.configuration, url, headers)


def configured(kubeconfig: str | None, context: str | None) -> Any:
    """The client's Configuration, with exec plugins run. CollectFailed: nobody knows the server."""
    from kubernetes import client, config
    from kubernetes.config import ConfigException

    configuration = client.Configuration()
    try:
        _load(config, configuration, kubeconfig, context)
    except ConfigException as error:
        raise no_config(kubeconfig, context, str(error)) from None
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise no_config(kubeconfig, context, f"it cannot be read: {error}") from None
    except Exception as error:  # the YAML parser's own family, which the client lets through
        if type(error).__module__.split(".")[0] != "yaml":
            raise
        raise no_config(kubeconfig, context, "it is not YAML") from None
    return configuration


def authorization(configuration: Any) -> str:
    """The header of that name; empty: there is none, a certificate perhaps."""
    return str(configuration.auth_settings().get("BearerToken", {}).get("value") or "")


def proxy(configuration: Any) -> str:
    """Through which the server is reached; empty: directly, be it by $NO_PROXY."""
    from kubernetes.client.rest import should_bypass_proxies

    if should_bypass_proxies(configuration.host, configuration.no_proxy or ""):
        return ""
    return str(configuration.proxy or "")


def _load(config: Any, configuration: Any, kubeconfig: str | None, context: str | None) -> None:
    """As kubectl looks: the option, $KUBECONFIG, ~/.kube/config; in a pod, its service account."""
    try:
        config.load_kube_config(kubeconfig, context, configuration, persist_config=False)
    except config.ConfigException:
        if kubeconfig or context or "KUBERNETES_SERVICE_HOST" not in os.environ:
            raise
        config.load_incluster_config(configuration)
