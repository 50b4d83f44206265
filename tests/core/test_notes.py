"""What is said about a trace besides its findings."""

from msgspec.structs import replace

from tests.builders import bundle, cluster
from tests.packets import journey, ping, pong
from tracer.core.diagnose import diagnose
from tracer.model.cluster import Service


def notes_of(*endpoints: str) -> tuple[str, ...]:
    service = Service(namespace="shop", name="db", cluster_ips=("10.96.0.10",), endpoints=endpoints)
    seen = (*journey(ping(1)), *journey(pong(1), back=True, at=500, skb=0x9000))
    return diagnose(
        replace(bundle(), cluster=cluster(services=(service,)), observations=seen)
    ).notes


def test_a_service_s_endpoint_that_was_traced_is_said_and_of_how_many() -> None:
    assert notes_of("10.244.1.9", "10.244.2.2", "fd00::2")[0] == (
        "Service shop/db stands for default/pod-b at 10.244.2.2 here, one of 2 that are ready."
    )
    assert notes_of("10.244.2.2")[0].endswith("here, the only one that is ready.")


def test_a_service_of_which_nothing_was_traced_is_not_spoken_of() -> None:
    assert not any("Service" in note for note in notes_of("10.244.1.9"))
