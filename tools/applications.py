"""What is registered of the application that this tree makes."""

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.kernel import Domain
from chalicelib.leftfold.store.applications import Application, Applications, Registered


def application(name: str, domain: Domain = DOMAIN) -> Application:
    """The application *name*, as the functions of its truth know it."""
    views = (
        Registered(view.name, view.stored_name, "view", view.fed, tuple(sorted(view.categories)))
        for view in domain.views.values()
    )
    policies = (
        Registered(
            policy.name, policy.stored_name, "policy", "log", tuple(sorted(policy.categories))
        )
        for policy in domain.policies.values()
    )
    return Application(name, (*views, *policies))


def register(applications: Applications, name: str) -> None:
    """Registers the application *name*, and makes the first one of a truth the active one."""
    applications.register(application(name))
    if applications.known().active is None:
        applications.activate(name, None)
