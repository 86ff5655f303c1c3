"""Entry point of the processes that `benchmarks.harness.in_fresh_process` starts."""

import json
import sys
from importlib import import_module
from pathlib import Path


def main() -> None:
    """Call ``module:function`` with JSON arguments and write its result to a file as JSON."""
    target, arguments, answer = sys.argv[1:]
    module, _, function = target.partition(":")
    result = getattr(import_module(module), function)(**json.loads(arguments))
    Path(answer).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
