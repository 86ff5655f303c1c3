"""Whether ``coin_assets/site`` is what the sources in ``site/`` build, without node.

``npm run build`` writes ``site/SOURCES.sha256``: the hashes of all sources and of all built files.
"""

import hashlib
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
BUILT = REPOSITORY / "coin_assets" / "site"
_REMEDY = "Run `make site-build` and commit what it writes."


def present(root: Path = REPOSITORY) -> dict[str, str]:
    """Hash by name of the sources and the built files that are there."""
    site = root / "site"
    names = ("scripts/build.mjs", "index.html", "package.json", "package-lock.json")
    files = [site / name for name in (*names, "tsconfig.json")]
    files += [path for path in (site / "src").rglob("*") if path.is_file()]
    files += [path for path in (root / "coin_assets" / "site").rglob("*") if path.is_file()]
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def differences(root: Path = REPOSITORY) -> list[str]:
    """Names of files that are not as they were at the last build, and what is wrong with each."""
    lines = (root / "site" / "SOURCES.sha256").read_text().splitlines()
    listed = {line[66:]: line[:64] for line in lines}
    found = present(root)
    states = {
        name: "is not listed"
        if name not in listed
        else "is gone"
        if name not in found
        else "differs"
        for name in listed.keys() | found.keys()
        if listed.get(name) != found.get(name)
    }
    return [f"{name} {state} since the last build" for name, state in sorted(states.items())]


def main() -> None:
    """Print the differences, and fail if there are any."""
    if found := differences():
        sys.exit("\n".join([*found, _REMEDY]))


if __name__ == "__main__":
    main()
