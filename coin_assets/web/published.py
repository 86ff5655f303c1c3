"""The published folder over HTTP: data, and the page that shows it. Read-only."""

import os
import re
from pathlib import Path

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import NotModifiedResponse, PathLike, StaticFiles
from starlette.types import Scope

HOST = "127.0.0.1"
IMMUTABLE, FRESH = "public, max-age=31536000, immutable", "no-cache"
# docs/operations/serve.md explains each; the servers of deploy/ send the same.
HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_IMMUTABLE = re.compile(r"(shard=[0-9]+/)?(objects|assets)(/|$)")


def app_of(folder: Path) -> Starlette:
    """Application that serves a published folder, which may not exist yet."""
    return Starlette(routes=[Mount("/", PublishedFiles(directory=folder, html=True))])


class PublishedFiles(StaticFiles):
    """Files by ``GET`` and ``HEAD``. Names that begin with a dot do not exist: they are unfinished.

    Links that lead out of the folder do not exist either.
    """

    async def check_config(self) -> None:
        """A folder that is not there yet has no files."""

    def __init__(self, *, directory: Path, html: bool) -> None:
        super().__init__(directory=directory, html=html, check_dir=False)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The answer, with the headers of its kind of file."""
        response = await super().get_response(path, scope)
        is_immutable = _IMMUTABLE.match(path) is not None
        response.headers["Cache-Control"] = IMMUTABLE if is_immutable else FRESH
        response.headers.update(HEADERS)
        return response

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """As the base, but for hidden names."""
        if any(part.startswith(".") for part in Path(path).parts):
            return "", None
        return super().lookup_path(path)

    def file_response(
        self,
        full_path: PathLike,
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """As the base; JSON is read at once, for it may be replaced while it is sent."""
        if Path(full_path).suffix != ".json":
            return super().file_response(full_path, stat_result, scope, status_code)
        try:
            with Path(full_path).open("rb") as file:
                content, stat_result = file.read(), os.fstat(file.fileno())
        except FileNotFoundError as error:
            raise HTTPException(404) from error
        described = FileResponse(full_path, stat_result=stat_result).headers
        if self.is_not_modified(described, Headers(scope=scope)):
            return NotModifiedResponse(described)
        kept = {name: described[name] for name in ("etag", "last-modified")}
        return Response(content, status_code, kept, "application/json")
