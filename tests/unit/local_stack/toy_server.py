"""The process of a toy component: `toy_server.py <name> <port> <events file>`."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

name, port, events = sys.argv[1], int(sys.argv[2]), sys.argv[3]


def note(event: str) -> None:
    with Path(events).open("a") as handle:
        handle.write(f"{event} {name}\n")


def stop(*_: object) -> None:
    note("stop")
    sys.exit(0)


signal.signal(signal.SIGTERM, stop)
note("start")
# a worker in the same process group, which must not outlive its parent
subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)", f"worker-of-{name}"])
time.sleep(0.2)
server = socket.create_server(("127.0.0.1", port))
while True:
    server.accept()[0].close()
