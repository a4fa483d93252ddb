"""Serves the files of the console. They are public: its data needs what every request needs.

`leftfold package` builds them into the package. A file's name has a hash of its content, but for
the page's own.
"""

from pathlib import Path
from typing import Any

from chalice.app import Request, Response

from chalicelib.leftfold.kernel.commit import canonical
from chalicelib.leftfold.wiring.process import services
from chalicelib.leftfold.wiring.settings import SignIn

FILES = Path(__file__).parents[2] / "console"
PATHS = ("/console", "/console/{file}")
METHODS = ("GET", "HEAD")
PAGE, SETTINGS = "index.html", "settings.json"
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
}
FOR_EVER = "public, max-age=31536000, immutable"
# Nothing comes from elsewhere, and nothing that is in the page's text runs. uPlot sizes its
# canvas by styles of elements, which scripts may set. The issuer alone is asked for tokens.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'{issuer}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def serve(request: Request) -> Response | None:
    """One of the files; the way to the page where none is named; None if there is no such file."""
    settings = services().settings
    if settings.roles:
        # The page sends tokens, which this deployment does not take.
        return None
    name = (request.uri_params or {}).get("file")
    if name is None:
        # Relative to the request, because only the client knows under which path the API is.
        return Response("", {"Location": f"console/{PAGE}", "Cache-Control": "no-cache"}, 302)
    sign_in = settings.sign_in
    if name == SETTINGS and FILES.exists():
        said = "" if request.method == "HEAD" else canonical(settings_json(sign_in))
        return Response(said, headers_of(".json", "no-store", sign_in), 200)
    # Looked up among the names that there are, so that a path leads nowhere else.
    file = {one.name: one for one in FILES.glob("*")}.get(name)
    if file is None or file.suffix not in MEDIA_TYPES:
        return None
    headers = headers_of(file.suffix, "no-cache" if name == PAGE else FOR_EVER, sign_in)
    return Response("" if request.method == "HEAD" else file.read_text(), headers, 200)


def settings_json(sign_in: SignIn | None) -> dict[str, Any]:
    """What the page is told of this application."""
    return {"signIn": sign_in and sign_in._asdict()}


def headers_of(suffix: str, kept: str, sign_in: SignIn | None) -> dict[str, str | list[str]]:
    """The headers of a file that is *kept* so long."""
    issuer = f" {sign_in.token_origin}" if sign_in else ""
    return {
        "Content-Type": MEDIA_TYPES[suffix],
        "Cache-Control": kept,
        "Content-Security-Policy": POLICY.format(issuer=issuer),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
