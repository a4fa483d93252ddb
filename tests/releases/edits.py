"""The two releases, as edits of the tree: the first reads a new version of two events, the second writes it.

Both change the fold of an account's views and a rule. What each leaves behind says which of the two
has made it, so that a row, an answer or an event of both at once would be seen.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

DOMAIN_NAME = "api.leftfold.test"
RULES, VIEWS = "chalicelib/bank/account/domain.py", "chalicelib/bank/account/views.py"
STAGES = "infra/stages.toml"

IMPORTS = "from chalicelib.leftfold.kernel import Aggregate, Codec, Decider, Refused, personal\n"
FIELD = "    transfer: str | None = None\n"
TABLE = '        "account-closed": Closed,\n    }\n)'
MADE = "    return booked(**details_of(booking))\n"
REFUSES = '        if booking.direction == "debit" and after + account.credit_limit < 0:\n'
OWNER = '                "owner": owner,\n'
BALANCES = (
    '"balance": opened(row)["balance"] + amount}',
    '"balance": opened(row)["balance"] - amount}',
)
TOLD = ("account-credited", "account-debited")


class Release(NamedTuple):
    """What a release leaves behind: *owner* begins each owner's name in its rows, each booking adds
    *step* to a row's `statements`, it refuses debits above *limit* minor units, and it writes its two
    events in *version*.
    """

    name: str
    owner: str
    step: int
    limit: int
    version: int

    def edits(self) -> Iterator[tuple[str, str, str, int]]:
        """(file, text, what takes its place, how often the text is there)."""
        yield STAGES, 'domain = ""', f'domain = "{DOMAIN_NAME}"', 3
        yield STAGES, 'certificate = ""', 'certificate = "arn:aws:acm:::certificate/trial"', 3
        yield RULES, REFUSES, f"{REFUSES[:-2]} or signed_amount(booking) < -{self.limit}:\n", 1
        yield VIEWS, OWNER, f'                "owner": f"{self.owner} {{owner}}",\n', 2
        for balance in BALANCES:
            counted = f'"statements": opened(row)["statements"] + {self.step}, {balance}'
            yield VIEWS, balance, counted, 1
        names = ", ".join(f'("{name}", {{0}}): {{1}}' for name in TOLD)
        if self.version == 1:
            yield RULES, TABLE, f"{TABLE[:-2]}    , ahead={{{names.format(2, 'without')}}}\n)", 1
            without = (
                "def without(body):\n    return {k: v for k, v in body.items() if k != 'channel'}\n"
            )
            yield RULES, IMPORTS, f"{IMPORTS}\n\n{without}", 1
        else:
            yield RULES, FIELD, f'{FIELD}    channel: str = "unknown"\n', 1
            yield RULES, TABLE, f"{TABLE[:-2]}    , upcasts={{{names.format(1, 'dict')}}}\n)", 1
            yield RULES, MADE, '    return booked(**details_of(booking), channel="two")\n', 1

    def apply(self, text: Mapping[str, str]) -> dict[str, str]:
        """The files that the release changes, by path; *text* has them as they are."""
        made = dict(text)
        for path, old, new, times in self.edits():
            found = made[path].count(old)
            assert found == times, f"{path} has {found} times, not {times}:\n{old}"
            made[path] = made[path].replace(old, new)
        return made

    def make(self, root: Path) -> None:
        """Makes the tree at *root* this release."""
        paths = (RULES, VIEWS, STAGES)
        made = self.apply({path: (root / path).read_text() for path in paths})
        for path, text in made.items():
            (root / path).write_text(text)


FIRST = Release("first", "one", 1, 400_00, 1)
SECOND = Release("second", "two", 2, 300_00, 2)
RELEASES = (FIRST, SECOND)
