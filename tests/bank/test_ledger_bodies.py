"""The bodies of a ledger's events, as clients see them."""

from chalicelib.bank.ledger.http.event_bodies import body_json


def test_amounts_are_texts_with_the_decimals_that_they_are_kept_with() -> None:
    postings = [
        {"account": "Assets:Cash", "amount": -1050, "currency": "USD"},
        {"account": "Assets:Coins", "amount": 1, "currency": "JPY"},
    ]
    assert body_json({"date": "2020-01-31", "postings": postings}) == {
        "date": "2020-01-31",
        "postings": [
            {"account": "Assets:Cash", "amount": {"amount": "-10.50", "currency": "USD"}},
            {"account": "Assets:Coins", "amount": {"amount": "1", "currency": "JPY"}},
        ],
    }


def test_the_accounts_of_a_chart_are_shown_as_they_are() -> None:
    accounts = [{"name": "Assets:Cash", "kind": "assets"}]
    assert body_json({"accounts": accounts}) == {"accounts": accounts}


def test_balances_keep_the_names_of_accounts_and_of_years() -> None:
    inner = {"Assets:Petty_cash": {"USD": 1050, "JPY": 7}}
    shown = {
        "Assets:Petty_cash": [
            {"amount": "7", "currency": "JPY"},
            {"amount": "10.50", "currency": "USD"},
        ]
    }
    assert body_json({"totals": inner}) == {"totals": shown}
    assert body_json({"opening": inner}) == {"opening": shown}
    assert body_json({"closed": {"2020": inner}}) == {"closed": {"2020": shown}}


def test_a_profit_is_amounts_and_names_of_members_are_in_camel_case() -> None:
    body = {"profit": {"USD": 5}, "journals_closed": 3, "title": "totals"}
    assert body_json(body) == {
        "profit": [{"amount": "0.05", "currency": "USD"}],
        "journalsClosed": 3,
        "title": "totals",
    }


def test_what_only_has_the_name_of_balances_stays_as_it_is() -> None:
    body = {"profit": 1, "postings": {}, "totals": [], "closed": True, "opening": None}
    assert body_json(body) == body
