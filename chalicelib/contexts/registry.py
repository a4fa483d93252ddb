"""Every aggregate, view and policy of the application, by name."""

from chalicelib.contexts.account import domain as account_domain
from chalicelib.contexts.account import views as account_views
from chalicelib.kernel import Aggregate, Policy, View

AGGREGATES: dict[str, Aggregate] = {
    aggregate.category: aggregate for aggregate in (account_domain.account,)
}

VIEWS: dict[str, View] = {
    view.name: view
    for view in (
        account_views.balances,
        account_views.ranking,
        account_views.bookings,
        account_views.statements,
        account_views.totals,
    )
}

POLICIES: dict[str, Policy] = {}
