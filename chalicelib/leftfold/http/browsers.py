"""Headers for browsers: what they must not do with an answer, and which sites may ask."""

from collections.abc import Collection, Mapping

# An answer is data of one tenant: not to be kept, guessed at, framed, or asked for without TLS.
SECURITY = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
}
EXPOSED = "Allow, ETag, Location, Retry-After, WWW-Authenticate, X-Correlation-Id"
ASKED = (
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, traceparent,"
    " X-Correlation-Id"
)
# Seconds for which a browser remembers that it may ask.
REMEMBERED = "3600"


def for_site(headers: Mapping[str, str], sites: Collection[str]) -> dict[str, str]:
    """The headers that let the site of a request, by its `Origin`, read the answer (CORS)."""
    origin = headers.get("origin")
    if not sites:
        return {}
    # Caches must not give one site's answer to another.
    varies = {"Vary": "Origin"}
    if origin not in sites:
        return varies
    return {
        **varies,
        "Access-Control-Allow-Origin": str(origin),
        "Access-Control-Expose-Headers": EXPOSED,
    }


def preflight(methods: Collection[str]) -> dict[str, str]:
    """What a browser is told that asks whether it may send a request."""
    return {
        "Access-Control-Allow-Methods": ", ".join(sorted(methods)),
        "Access-Control-Allow-Headers": ASKED,
        "Access-Control-Max-Age": REMEMBERED,
    }
