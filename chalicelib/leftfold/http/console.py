"""Serves the files of the console. They are public: its data needs what every request needs.

`leftfold package` builds them into the package. A file's name has a hash of its content, but for
the page's own.
"""

from pathlib import Path

from chalice.app import Request, Response

FILES = Path(__file__).parents[2] / "console"
PATHS = ("/console", "/console/{file}")
METHODS = ("GET", "HEAD")
PAGE = "index.html"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
}
FOR_EVER = "public, max-age=31536000, immutable"
# Nothing comes from elsewhere, and nothing that is in the page's text runs. uPlot sizes its
# canvas by styles of elements, which scripts may set.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def serve(request: Request) -> Response | None:
    """One of the files; the way to the page where none is named; None if there is no such file."""
    name = (request.uri_params or {}).get("file")
    if name is None:
        # Relative to the request, because only the client knows under which path the API is.
        return Response("", {"Location": f"console/{PAGE}", "Cache-Control": "no-cache"}, 302)
    # Looked up among the names that there are, so that a path leads nowhere else.
    file = {one.name: one for one in FILES.glob("*")}.get(name)
    if file is None or file.suffix not in TYPES:
        return None
    headers: dict[str, str | list[str]] = {
        "Content-Type": TYPES[file.suffix],
        "Cache-Control": "no-cache" if name == PAGE else FOR_EVER,
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    return Response("" if request.method == "HEAD" else file.read_text(), headers, 200)
