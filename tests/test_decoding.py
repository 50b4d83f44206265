"""Types are described by one thread at a time: msgspec crashes where two do it at once."""

import subprocess
import sys

THREADS = """
import sys, threading
sys.setswitchinterval(1e-6)
from tracer.collect import kube_objects as objects, kube_services as services
from tracer.model.decoding import decoder

TEXT = b'{"items":[{"metadata":{"ownerReferences":[{"kind":"a"}]},"spec":{},"status":{}}]}'
kinds = (objects.PodObject, objects.NodeObject, services.ServiceObject, objects.PodObject) * 2
together = threading.Barrier(len(kinds))

def decode(kind):
    together.wait()
    decoder(objects.List[kind]).decode(TEXT)

threads = [threading.Thread(target=decode, args=(kind,)) for kind in kinds]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
RUNS = 12


def test_eight_threads_may_decode_at_once() -> None:
    """By msgspec.json.decode instead, half of the runs ended by a signal."""
    command = [sys.executable, "-c", THREADS]
    done = [subprocess.run(command, capture_output=True, check=False) for _ in range(RUNS)]
    assert [one.returncode for one in done] == [0] * RUNS
