"""What clients' programs may depend on does not change unnoticed.

An optional member that was required, a format that is gone, an operation of another name: no
request fails for it here, and a generated client may. Whoever means the change runs
`python -m tests.http.published`, and the review shows which parts of the API changed.
"""

import json

from tests.http.gateway import DOCUMENT
from tests.http.published import PUBLISHED, hashes_of, without_words


def test_the_api_is_the_published_one() -> None:
    assert hashes_of(DOCUMENT) == json.loads(PUBLISHED.read_text())


def test_words_for_people_may_change_and_may_not_go() -> None:
    schema = {"title": "A", "properties": {"title": {"type": "string", "description": "b"}}}
    kept = {"title": "", "properties": {"title": {"type": "string", "description": ""}}}
    assert without_words([schema]) == [kept]
    del schema["title"]
    assert without_words([schema]) != [kept]
