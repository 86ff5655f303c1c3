"""Run the stand-in as a process: ``python -m coin_assets_tests.influx [--port 8086]``.

It prints the environment of a client as one line that a shell can evaluate, and runs until its
standard input ends or it gets SIGTERM.
"""

import argparse
import shlex
import signal
import sys

from coin_assets_tests.influx.server import TOKEN, InfluxServer


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m coin_assets_tests.influx")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--org", default="coins")
    parser.add_argument("--bucket", default="market")
    parser.add_argument("--token", default=TOKEN)
    parser.add_argument("--retention", type=int, default=0, help="of the bucket, in seconds")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = InfluxServer(
        given.org, given.bucket, given.token, port=given.port, retention=given.retention
    )
    with server:
        pairs = [f"{name}={shlex.quote(value)}" for name, value in server.environment().items()]
        sys.stdout.write(f"export {' '.join(pairs)}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
