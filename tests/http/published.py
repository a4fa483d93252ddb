"""The API as it was last published, a hash for each part: python -m tests.http.published writes it.

Words for people may change at any time, so of them only that there are some is hashed.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

PUBLISHED = Path(__file__).parent / "published.json"
WORDS = {"description", "summary", "title"}


def parts_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """The operations, the components and all else of an OpenAPI document, by name."""
    operations = {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    components = {
        f"{kind}/{name}": component
        for kind, named in document["components"].items()
        for name, component in named.items()
    }
    of_the_whole = {name: document[name] for name in ("info", "openapi", "servers")}
    return operations | components | of_the_whole


def hashes_of(document: Mapping[str, Any]) -> dict[str, str]:
    """A hash for each part, which says all that a client's program can depend on."""
    return {
        name: sha256(json.dumps(without_words(part), sort_keys=True).encode()).hexdigest()[:16]
        for name, part in sorted(parts_of(document).items())
    }


def without_words(part: Any) -> Any:
    """A part with empty texts for people; a property may be called as they are."""
    if isinstance(part, list):
        return [without_words(each) for each in part]
    if not isinstance(part, dict):
        return part
    return {
        name: "" if name in WORDS and isinstance(value, str) else without_words(value)
        for name, value in part.items()
    }


if __name__ == "__main__":
    from tests.http.gateway import DOCUMENT

    PUBLISHED.write_text(json.dumps(hashes_of(DOCUMENT), indent=2) + "\n")
