"""Does a process hear of what changes in pods? Says `ready`, and a second later what it heard."""

import time

from tracer.collect.pod_notices import PodNotices

with PodNotices() as ear:
    print("ready", flush=True)
    time.sleep(1)
    print("something" if ear.read(range(100)) else "nothing", flush=True)
