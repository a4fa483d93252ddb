"""The rules of ledgers and journals, weighed one by one and as laws."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from chalicelib.bank.ledger import domain
from chalicelib.bank.ledger import journal as journals
from chalicelib.bank.ledger.amounts import amount
from chalicelib.bank.ledger.balances import Balances, changes_of, plus, sums
from chalicelib.bank.ledger.domain import (
    LARGEST_CHART,
    MOST_BALANCES,
    BalancesBroughtForward,
    ChartExtended,
    CloseYear,
    Command,
    ExtendChart,
    Gather,
    JournalGathered,
    Ledger,
    LedgerAccount,
    LedgerOpened,
    OpenLedger,
    OpenYear,
    YearClosed,
    YearClosing,
    YearOpened,
    check_entry,
)
from chalicelib.bank.ledger.journal import (
    MOST_REVERSED,
    CloseJournalYear,
    EntryPosted,
    Journal,
    JournalCarriedForward,
    JournalYearClosed,
    PostEntry,
    Posting,
    TurnDown,
    journal_key,
    ledger_and_number,
    undone,
)
from chalicelib.bank.ledger.policies import close_journals, gather_year
from chalicelib.bank.money import MINOR_DIGITS
from chalicelib.domain import DOMAIN
from chalicelib.leftfold.commands.handler import CommandHandler, CommandRequest
from chalicelib.leftfold.commands.loading import load
from chalicelib.leftfold.kernel import Recorded, Refused, from_json, to_json
from chalicelib.leftfold.kernel.commit import canonical
from chalicelib.leftfold.store.memory import MemoryEvents
from tests.clock import Clock
from tests.scenario import Given
from tests.vaults import vault_of
from tests.workflow import Workflow

RETAINED = "Equity:Retained"
TODAY = "2026-01-01"
cash = LedgerAccount("Assets:Cash", "asset", ("USD", "XYZ"))
loan = LedgerAccount("Liabilities:Loan", "liability", ("USD",))
pay = LedgerAccount("Income:Pay", "income", ("USD", "XYZ"))
food = LedgerAccount("Expenses:Food", "expense", ("USD",))
retained = LedgerAccount(RETAINED, "equity", ())

opened = LedgerOpened("Ada", 2020, RETAINED, 2)
charted = ChartExtended((cash, loan, pay, food), {"XYZ": 3})
closing = (YearClosing(2020, 2), YearOpened(2021))
first_half: Balances = {"Assets:Cash": {"USD": 70}, "Income:Pay": {"USD": -70}}
second_half: Balances = {"Assets:Cash": {"USD": -20}, "Expenses:Food": {"USD": 20}}
forward = BalancesBroughtForward(
    "Ada",
    2020,
    RETAINED,
    2,
    (cash, retained, food, pay, loan),
    {"XYZ": 3},
    (2021,),
    {"Assets:Cash": {"USD": 50}, RETAINED: {"USD": -50}},
)

ledger = Given(domain.decider)
journal = Given(journals.decider)


def entry(day: str = "2020-05-01", amount: int = 70, **facts: Any) -> PostEntry:
    postings = (Posting("Assets:Cash", amount, "USD"), Posting("Income:Pay", -amount, "USD"))
    return PostEntry(day, "pay", postings, **facts)


def posted(command: PostEntry) -> EntryPosted:
    return EntryPosted(
        command.date, command.narration, command.postings, command.payee, command.reverses
    )


# --- the ledger


def test_a_ledger_is_opened_once_with_its_first_year() -> None:
    ledger().when(OpenLedger("Ada", 2020, RETAINED, 2)).then(opened)
    ledger(opened).when(OpenLedger("Bo", 2021, RETAINED)).then_refused("ledger-exists")
    assert domain.decider.fold([opened]).open_years == (2020,)


@pytest.mark.parametrize("command", [ExtendChart(()), OpenYear(2021), CloseYear(2020, TODAY)])
def test_nothing_can_be_done_with_a_ledger_that_is_not_there(command: Command) -> None:
    ledger().when(command).then_refused("ledger-missing")


def test_a_chart_is_extended_by_accounts_currencies_and_commodities() -> None:
    ledger(opened).when(ExtendChart((cash, loan, pay, food), {"XYZ": 3})).then(charted)
    in_euro = replace(cash, currencies=("EUR", "USD"), name="Cash")
    ledger(opened, charted).when(ExtendChart((in_euro,))).then(ChartExtended((in_euro,), {}))
    state = domain.decider.fold([opened, charted, ChartExtended((in_euro,), {})])
    assert state.accounts["Assets:Cash"] == replace(cash, currencies=("USD", "XYZ", "EUR"))


def test_a_chart_is_never_contradicted() -> None:
    given = ledger(opened, charted)
    given.when(ExtendChart((replace(cash, type="income"),))).then_refused(
        "account-type-differs", account="Assets:Cash", type="asset"
    )
    given.when(ExtendChart((replace(cash, currencies=("ABC",)),))).then_refused(
        "unknown-commodity", commodity="ABC"
    )
    for commodity, digits, known in (("XYZ", 2, 3), ("USD", 3, 2), ("USD", 1, 2)):
        given.when(ExtendChart((), {commodity: digits})).then_refused(
            "commodity-differs", commodity=commodity, digits=known
        )


def test_the_decimals_of_a_commodity_grow() -> None:
    finer = ChartExtended((), {"XYZ": 5})
    ledger(opened, charted).when(ExtendChart((), {"XYZ": 5})).then(finer)
    assert domain.digits_of("XYZ", domain.decider.fold([opened, charted, finer])) == 5


def test_a_currency_of_iso_4217_does_not_become_a_commodity_of_the_ledger() -> None:
    # Amounts of the two are kept in different units.
    ledger(opened).when(ExtendChart((cash,), {"USD": 2, "XYZ": 3})).then(
        ChartExtended((cash,), {"XYZ": 3})
    )


def test_a_chart_stays_small_enough_to_be_carried_forward() -> None:
    def many(count: int, name: str | None = None) -> ExtendChart:
        return ExtendChart(
            tuple(LedgerAccount(f"A{n}", "asset", ("USD",), name) for n in range(count))
        )

    # One balance more than there are accounts: that of retained earnings.
    assert ledger(opened).when(many(MOST_BALANCES // 2)).run()
    ledger(opened).when(many(MOST_BALANCES)).then_refused("chart-full")
    ledger(opened).when(many(200, "n" * (LARGEST_CHART // 200))).then_refused("chart-full")


def test_commodities_count_in_the_size_of_a_chart_also_those_of_earlier_commands() -> None:
    def many(first: int) -> dict[str, int]:
        return {f"C{n:023}": 8 for n in range(first, first + 200)}

    extended = [ChartExtended((), many(200 * n)) for n in range(8)]
    ledger(opened, *extended).when(ExtendChart((), many(1600))).then_refused("chart-full")
    # What is there already takes no more room.
    assert ledger(opened, *extended).when(ExtendChart((cash,), {**many(0), "XYZ": 3})).run()


def test_a_commodity_keeps_its_decimals_when_iso_4217_takes_up_its_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(MINOR_DIGITS, "XYZ", 2)
    state = domain.decider.fold([opened, charted])
    assert domain.digits_of("XYZ", state) == 3
    kept = 150_000_000
    assert amount(kept, "XYZ", state.commodities) == {"amount": "1.500", "currency": "XYZ"}
    ledger(opened, charted).when(ExtendChart((), {"XYZ": 4})).then(ChartExtended((), {"XYZ": 4}))


def test_years_follow_one_another_and_two_at_most_are_open() -> None:
    ledger(opened).when(OpenYear(2021)).then(YearOpened(2021))
    ledger(opened).when(OpenYear(2020)).then_refused("year-exists", year=2020)
    ledger(opened).when(OpenYear(2022)).then_refused("year-not-next", next=2021)
    ledger(opened, YearOpened(2021)).when(OpenYear(2022)).then_refused(
        "earlier-year-open", year=2020
    )


def test_a_close_begins_with_the_oldest_year_and_opens_the_next() -> None:
    ledger(opened).when(CloseYear(2020, TODAY)).then(*closing)
    ledger(opened, YearOpened(2021)).when(CloseYear(2020, TODAY)).then(YearClosing(2020, 2))
    ledger(opened, YearOpened(2021)).when(CloseYear(2021, TODAY)).then_refused("earlier-year-open")
    ledger(opened, *closing).when(CloseYear(2020, TODAY)).then_refused("year-closing", year=2020)
    ledger(opened).when(CloseYear(2019, TODAY)).then_refused("year-not-open", year=2019)
    ledger(opened).when(CloseYear(2021, TODAY)).then_refused("year-not-open", year=2021)
    ledger(forward).when(CloseYear(2020, TODAY)).then_refused("year-closed", year=2020)


@pytest.mark.parametrize("today", ["2019-12-31", "2020-01-01", "2020-12-31"])
def test_a_year_is_not_closed_before_its_last_day_has_ended(today: str) -> None:
    given = ledger(opened)
    given.when(CloseYear(2020, today)).then_refused("year-not-over", year=2020, today=today)
    given.when(CloseYear(2020, "2021-01-01")).then(*closing)


def test_a_year_before_the_year_1000_is_over_too() -> None:
    early = replace(opened, first_year=999)
    ledger(early).when(CloseYear(999, "0999-12-31")).then_refused("year-not-over", year=999)
    ledger(early).when(CloseYear(999, "1000-01-01")).then(YearClosing(999, 2), YearOpened(1000))


def test_a_year_ends_with_the_last_journal() -> None:
    given = ledger(opened, charted, *closing)
    given.when(Gather(2020, 1, first_half)).then(JournalGathered(2020, 1, first_half))
    ledger(opened, charted, *closing, JournalGathered(2020, 1, first_half)).when(
        Gather(2020, 0, second_half)
    ).then(
        JournalGathered(2020, 0, second_half),
        YearClosed(2020, {"USD": 50}, {"Income:Pay": {"USD": -70}, "Expenses:Food": {"USD": 20}}),
        forward,
    )


def test_a_journal_is_gathered_once_and_only_while_its_year_is_closing() -> None:
    once = (opened, charted, *closing, JournalGathered(2020, 1, first_half))
    ledger(*once).when(Gather(2020, 1, first_half)).then_refused("journal-gathered", journal=1)
    ledger(*once).when(Gather(2021, 0, {})).then_refused("year-not-closing", year=2021)
    ledger(opened).when(Gather(2020, 0, {})).then_refused("year-not-closing", year=2020)


def test_what_carries_a_ledger_forward_is_all_of_it() -> None:
    before = (opened, charted, *closing, JournalGathered(2020, 1, first_half))
    assert domain.decider.fold([*before, forward]) == domain.decider.fold([forward])
    ledger(forward).when(CloseYear(2021, TODAY)).then(YearClosing(2021, 2), YearOpened(2022))


def test_an_entry_must_fit_chart_and_years() -> None:
    state = domain.decider.fold([opened, charted])
    check_entry("2020-12-31", [("Assets:Cash", "XYZ"), (RETAINED, "XYZ")], state)
    cash_, unknown = ("Assets:Cash", "USD"), {"posting": 1, "account": "Assets:Bank"}
    not_kept = {"posting": 1, "commodity": "EUR"}
    for day, booked, code, facts in (
        ("2019-12-31", cash_, "year-not-open", {"year": 2019}),
        ("2021-01-01", cash_, "year-not-open", {"year": 2021}),
        ("2020-01-01", ("Assets:Bank", "USD"), "unknown-account", unknown),
        ("2020-01-01", ("Assets:Cash", "EUR"), "currency-not-kept", not_kept),
        ("2020-01-01", (RETAINED, "EUR"), "currency-not-kept", not_kept),
    ):
        with pytest.raises(Refused) as caught:
            check_entry(day, [cash_, booked], state)
        named = {"account": booked[0]} if "posting" in facts else {}
        assert (caught.value.code, caught.value.facts) == (code, {**facts, **named})


# --- the journal


def test_an_entry_is_one_event() -> None:
    journal().when(entry(payee="Employer")).then(posted(entry(payee="Employer")))


def test_an_entry_balances_in_every_commodity_and_has_two_sides() -> None:
    cash_, pay_ = Posting("Assets:Cash", 70, "USD"), Posting("Income:Pay", -70, "XYZ")
    for postings, difference in (
        ((cash_,), {"USD": 70}),
        ((cash_, pay_), {"USD": 70, "XYZ": -70}),
        ((), {}),
        ((Posting("Assets:Cash", 0, "USD"),), {}),
    ):
        journal().when(PostEntry("2020-01-01", "", postings)).then_refused(
            "unbalanced-entry", difference=difference
        )


def test_a_closed_year_takes_no_entry_and_the_next_one_does() -> None:
    closed = JournalCarriedForward(2020, {}, ())
    journal(closed).when(entry("2020-12-31")).then_refused("year-closed", year=2020)
    journal(closed).when(entry("2021-01-01")).then(posted(entry("2021-01-01")))


def test_a_journal_closes_a_year_with_what_it_holds_of_it() -> None:
    next_year = posted(entry("2021-01-01", 5))
    journal(posted(entry()), posted(entry(amount=1)), next_year).when(CloseJournalYear(2020)).then(
        JournalYearClosed(2020, {"Assets:Cash": {"USD": 71}, "Income:Pay": {"USD": -71}}),
        JournalCarriedForward(
            2020, {"2021": {"Assets:Cash": {"USD": 5}, "Income:Pay": {"USD": -5}}}, ()
        ),
    )
    journal().when(CloseJournalYear(2020)).then(
        JournalYearClosed(2020, {}), JournalCarriedForward(2020, {}, ())
    )
    journal(JournalCarriedForward(2020, {}, ())).when(CloseJournalYear(2020)).then_refused(
        "year-closed"
    )


def test_an_entry_is_reversed_once_whatever_is_closed_since() -> None:
    original = posted(entry())
    reversal = undone(original, "2020-06-01", "mistake", 1)
    assert reversal.postings[0] == Posting("Assets:Cash", -70, "USD")
    journal(original).when(reversal).then(posted(reversal))
    journal(original, posted(reversal)).when(reversal).then_refused("entry-reversed")
    later = replace(reversal, date="2021-01-01")
    journal(JournalCarriedForward(2020, {}, ())).when(later).then(posted(later))
    journal(JournalCarriedForward(2020, {}, (1,))).when(later).then_refused("entry-reversed")
    journal(JournalCarriedForward(2020, {}, (1,))).when(reversal).then_refused("year-closed")


def test_a_journal_remembers_a_limited_number_of_reversals() -> None:
    full = JournalCarriedForward(2020, {}, tuple(range(10, MOST_REVERSED + 10)))
    journal(full).when(entry("2021-01-01", reverses=1)).then_refused("journal-full")
    journal(full).when(entry("2021-01-01")).then(posted(entry("2021-01-01")))


def test_what_the_ledger_turns_down_is_refused_with_its_reason() -> None:
    journal().when(TurnDown("unknown-account", {"account": "A"})).then_refused(
        "unknown-account", account="A"
    )


def test_a_journal_is_named_after_its_ledger() -> None:
    assert ledger_and_number(journal_key("a-1", 12)) == ("a-1", 12)


# --- the close


def test_the_policies_close_each_journal_and_gather_it() -> None:
    def reactions(policy: Any, stream: str, event: Any) -> list[tuple[str, str, Any]]:
        recorded = Recorded(stream, 1, 0, "2026-01-01T00:00:00.000Z", 0, event)
        return [(r.aggregate.category, r.key, r.command) for r in policy.reactions(recorded)]

    assert reactions(close_journals, "main/ledger-a", YearClosing(2020, 2)) == [
        ("journal", "a-0", CloseJournalYear(2020)),
        ("journal", "a-1", CloseJournalYear(2020)),
    ]
    assert reactions(gather_year, "main/journal-a-1", JournalYearClosed(2020, first_half)) == [
        ("ledger", "a", Gather(2020, 1, first_half))
    ]
    assert reactions(close_journals, "main/ledger-a", YearOpened(2020)) == []
    assert reactions(gather_year, "main/journal-a-1", posted(entry())) == []


class Books:
    """A ledger of three journals in memory, its entries and its workflow."""

    JOURNALS = 3

    def __init__(self) -> None:
        self.events = MemoryEvents()
        self.fingerprints = dict.fromkeys(DOMAIN.aggregates, "fold")
        self.handler = CommandHandler(
            self.events, self.fingerprints, Clock(), lambda _: None, vault_of()
        )
        self.workflow = Workflow(self.events, self.handler, (close_journals, gather_year))
        self.taken: list[PostEntry] = []
        self.do("ledger", "a", OpenLedger("Ada", 2020, RETAINED, self.JOURNALS))
        self.do("ledger", "a", ExtendChart((cash, loan, pay, food), {"XYZ": 3}))

    def do(self, category: str, key: str, command: Any) -> None:
        self.workflow.handler.execute(
            CommandRequest(
                DOMAIN.aggregates[category],
                DOMAIN.aggregates[category].stream(key, "main"),
                command,
                command_id=f"{key} {len(self.events.scan(0, 1, None, 10**6)[0])} {command}",
                body_hash="00" * 8,
                actor="test",
                correlation_id="test",
                may_repeat=False,
            )
        )

    def post(self, number: int, command: PostEntry) -> None:
        """Posts an entry; a closed year may refuse it."""
        try:
            self.do("journal", journal_key("a", number), command)
        except Refused as refusal:
            assert refusal.code == "year-closed"  # noqa: PT017 - the only one that may come
        else:
            self.taken.append(command)

    def state(self, category: str, key: str) -> Any:
        aggregate = DOMAIN.aggregates[category]
        stream = aggregate.stream(key, "main")
        return load(self.events, aggregate, stream, fingerprint="fold", vault=vault_of()).state

    @property
    def ledger(self) -> Ledger:
        state: Ledger = self.state("ledger", "a")
        return state


accounts = [(a.code, c) for a in (cash, loan, pay, food) for c in a.currencies]
amounts = st.integers(-(10**15), 10**15)


@st.composite
def entries(draw: st.DrawFn) -> PostEntry:
    """A balanced entry of 2020 or 2021."""
    code, currency = draw(st.sampled_from(accounts))
    other = draw(st.sampled_from([a for a, c in accounts if c == currency]))
    amount = draw(amounts)
    postings = (Posting(code, amount, currency), Posting(other, -amount, currency))
    return PostEntry(f"{draw(st.sampled_from([2020, 2021]))}-05-01", "", postings)


acts = st.one_of(
    st.tuples(st.just("post"), st.integers(0, Books.JOURNALS - 1), entries()),
    st.tuples(st.just("step"), st.integers(0, 99), st.just(None)),
    st.tuples(st.just("again"), st.integers(0, 99), st.just(None)),
)


@for_all(st.lists(acts, max_size=30), st.lists(acts, max_size=40))
def test_a_close_ends_right_however_it_is_interleaved_and_repeated(
    before: list[Any], during: list[Any]
) -> None:
    books = Books()
    for act, number, command in before:
        if act == "post":
            books.post(number, command)
    books.do("ledger", "a", CloseYear(2020, TODAY))
    for act, number, command in during:
        steps = books.workflow.waiting() if act == "step" else list(books.workflow.done.values())
        if act == "post":
            books.post(number, command)
        elif steps:
            books.workflow.take(steps[number % len(steps)])

    books.workflow.run()

    taken = [
        (p.account, p.amount, p.currency)
        for e in books.taken
        if e.date < "2021"
        for p in e.postings
    ]
    balances = plus({}, taken)
    earned = {a: sums_ for a, sums_ in balances.items() if a in (pay.code, food.code)}
    profit = {c: -n for c, n in sums(changes_of(earned)).items()}
    assert books.ledger.open_years == (2021,)
    assert books.ledger.opening == plus(
        {a: sums_ for a, sums_ in balances.items() if a not in earned},
        ((RETAINED, -n, c) for c, n in profit.items()),
    )
    assert sums(changes_of(books.ledger.opening)) == {}
    left = [
        (account, amount, currency)
        for number in range(Books.JOURNALS)
        for year, totals in books.state("journal", journal_key("a", number)).totals.items()
        for account, amount, currency in changes_of(totals)
        if year == "2021"
    ]
    of_next = [
        (p.account, p.amount, p.currency)
        for e in books.taken
        if e.date > "2021"
        for p in e.postings
    ]
    assert plus({}, left) == plus({}, of_next)


# --- laws


@for_all(st.lists(entries()))
def test_a_journal_balances_whatever_is_posted(commands: list[PostEntry]) -> None:
    state = journals.decider.initial
    for command in commands:
        state = journals.decider.fold(journals.decider.decide(command, state), state)
        for totals in state.totals.values():
            assert sums(changes_of(totals)) == {}


balances_ = st.dictionaries(
    st.sampled_from("abc"), st.dictionaries(st.sampled_from("xy"), st.integers(-3, 3))
)


@for_all(balances_, balances_)
def test_balances_add_up_in_any_order_without_zeros(a: Balances, b: Balances) -> None:
    together = plus(plus({}, changes_of(a)), changes_of(b))
    assert together == plus(plus({}, changes_of(b)), changes_of(a))
    assert all(amount for _, amount, _ in changes_of(together))
    assert all(together.values())


@for_all(st.one_of([st.from_type(kind) for kind in domain.codec.events.values()]))
def test_events_of_a_ledger_survive_storage(event: domain.Event) -> None:
    assert domain.codec.decode(domain.codec.encode(event)) == (event,)


@for_all(st.one_of([st.from_type(kind) for kind in journals.codec.events.values()]))
def test_events_of_a_journal_survive_storage(event: journals.Event) -> None:
    assert journals.codec.decode(journals.codec.encode(event)) == (event,)


@for_all(st.from_type(Ledger), st.from_type(Journal))
def test_states_survive_storage(ledger_: Ledger, journal_: Journal) -> None:
    assert from_json(Ledger, to_json(ledger_)) == ledger_
    assert from_json(Journal, to_json(journal_)) == journal_


def test_the_largest_carry_forwards_fit_a_commit() -> None:
    code = "A{:0119}"
    count = LARGEST_CHART // 180
    each = MOST_BALANCES // count
    currencies = tuple(f"{'C' * 22}{n:02}" for n in range(each - 1))
    largest: Balances = {code.format(n): dict.fromkeys(currencies, -(10**22)) for n in range(count)}
    chart = tuple(LedgerAccount(code.format(n), "liability", currencies) for n in range(count))
    ended = [
        JournalGathered(2020, 0, largest),
        YearClosed(2020, {}, {}),
        replace(forward, accounts=chart, opening=largest),
    ]
    closed = [
        JournalYearClosed(2020, largest),
        JournalCarriedForward(2020, {"2021": largest}, tuple(range(10**7, 10**7 + MOST_REVERSED))),
    ]
    for events in (ended, closed):
        assert len(canonical([to_json(event) for event in events]).encode()) < 390_000
