"""A filter around an agent: `late_agent.py FOLDER SECONDS CMD...` holds its ready line back.

When the agent has ended, a file in FOLDER holds the CPU time that it and the filter have used.
"""

import os
import subprocess
import sys
import time
from pathlib import Path


def main() -> int:
    folder, seconds, *command = sys.argv[1:]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as agent:
        assert agent.stdout is not None
        for line in agent.stdout:
            if line.startswith(b'{"kind":"ready"'):
                time.sleep(float(seconds))
            os.write(1, line)
    used = os.times()
    cpu = used.user + used.system + used.children_user + used.children_system
    (Path(folder) / f"cpu-{os.getpid()}").write_text(f"{cpu:.3f}")
    return agent.returncode


if __name__ == "__main__":
    sys.exit(main())
