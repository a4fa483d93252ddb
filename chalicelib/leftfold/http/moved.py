"""The address of an application whose place another one has taken: it sends every request on.

Clients follow a 308 with the same method and body. They drop their token where the host is another
one, so a client that sees it takes the new address into its settings.
"""

from typing import Any
from urllib.parse import quote, urlencode

from chalice.app import Request

from chalicelib.leftfold.http.problems import Problem

# What says whether this very application is up, and what a browser asks before it sends a request.
SERVED_HERE = "/health"
ASKED_FIRST = "OPTIONS"
# As it stands in a path; "%" because API Gateway leaves most of it encoded.
PATH = "/%:@!$&'()*+,;=~"


def check_address(request: Request, moved_to: str | None) -> None:
    """Raises `Problem` if the request has to go to another address, which is *moved_to*."""
    if moved_to is None or request.path == SERVED_HERE or request.method == ASKED_FIRST:
        return
    raise Problem(
        "address-moved",
        "Send it there, with your token, and keep the new address.",
        headers={"Location": there(request, moved_to)},
    )


def there(request: Request, moved_to: str) -> str:
    """The URL of the same resource at the other address."""
    event: dict[str, Any] = request.to_original_event()
    query = urlencode(event["multiValueQueryStringParameters"] or {}, doseq=True)
    path = quote(event["path"], safe=PATH)
    return f"{moved_to}{path}{f'?{query}' if query else ''}"
