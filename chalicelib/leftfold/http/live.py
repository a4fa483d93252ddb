"""Waits until the answer to a GET is another one: a GET that needs a token has a twin under /live."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from urllib.parse import unquote

from chalice.app import MultiDict, Request
from marshmallow import ValidationError

from chalicelib.leftfold.http.accept import wrong_parameters
from chalicelib.leftfold.http.fields import Whole
from chalicelib.leftfold.http.headers import IF_NONE_MATCH, is_known
from chalicelib.leftfold.http.routes import FEED, Answer, Call, Listing, Route
from chalicelib.leftfold.http.unserved import leads, unserved
from chalicelib.leftfold.kernel.commit import canonical

PREFIX = "/live"
PATH = f"{PREFIX}/{{proxy+}}"
METHODS = ("GET", "HEAD")
# Seconds. API Gateway waits 29 for an answer.
LONGEST_WAIT = 20
# Seconds between two looks. Each costs what the query costs.
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0
WAIT = Whole(0, LONGEST_WAIT)


def live(
    listings: Iterable[Listing], route_of: Callable[[Listing], Route], request: Request
) -> Route:
    """The route that waits for another answer than the one that the client has.

    It takes its path's parts and `wait` out of *request*, which is left as the twin's request is.
    """
    path = "/" + (request.uri_params or {}).get("proxy", "").rstrip("/")
    served = listings if request.method in METHODS else ()
    for listing in served:
        if has_twin(listing) and leads(listing.path, path):
            parts = zip(listing.path.split("/"), path.split("/"), strict=True)
            request.uri_params = {part[1:-1]: text for part, text in parts if part[:1] == "{"}
            return waiting(route_of(listing), request)
    return unserved(() if request.method in METHODS else listings, request)


def has_twin(route: Listing) -> bool:
    """Whether one can wait for another answer of *route*. Of those that are open to everybody one
    cannot: strangers would wait in all the room that the function has.
    """
    is_open = route.scope is None
    return route.method == "GET" and route.is_watched and route.function != FEED and not is_open


def waiting(route: Route, request: Request) -> Route:
    """*route*, which waits as long as *request* says."""
    given = dict(request.query_params or {})
    asked = given.pop("wait", "0")
    request.query_params = MultiDict({name: [text] for name, text in given.items()})

    def answer(call: Call) -> Answer:
        try:
            seconds = WAIT.deserialize(unquote(asked))
        except ValidationError as error:
            raise wrong_parameters({"wait": [f"must be 0 to {LONGEST_WAIT} seconds"]}) from error
        return another(route.answer, call, seconds)

    heeds = (*(header for header in route.heeds if header is not IF_NONE_MATCH), IF_NONE_MATCH)
    return replace(route, answer=answer, heeds=heeds, function=FEED)


def another(ask: Callable[[Call], Answer], call: Call, seconds: float) -> Answer:
    """The first answer that the client does not have; 304 after *seconds*.

    A problem is an answer too. An answer without an ETag gets one that is a hash of it.
    """
    clock = call.house.follower
    until, pause = clock.now() + seconds, FIRST_PAUSE
    while True:
        found = tagged(ask(call))
        if not is_known(call.headers.get(IF_NONE_MATCH.name), found.headers["ETag"]):
            return found
        if (left := until - clock.now()) <= 0:
            return Answer(None, found.headers, 304)
        clock.sleep(min(pause, left))
        pause = min(2 * pause, LONGEST_PAUSE)


def tagged(answer: Answer) -> Answer:
    """*answer* with an ETag."""
    if "ETag" in answer.headers:
        return answer
    etag = hashlib.sha256(canonical(answer.body).encode()).hexdigest()[:32]
    return replace(answer, headers={**answer.headers, "ETag": f'"{etag}"'})
