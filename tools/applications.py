"""What is registered of the application that this tree makes."""

from collections.abc import Mapping

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.kernel import Announcer, Domain
from chalicelib.leftfold.store.applications import Application, Applications, Known, Registered
from tools.cloud import DeployError


def application(name: str, folds: Mapping[str, str], domain: Domain = DOMAIN) -> Application:
    """The application *name*, as the functions of its truth know it.

    *folds* has the fingerprint of each view's fold.
    """
    views = (
        Registered(view.name, view.stored_name, "view", view.fed, tuple(sorted(view.categories)))
        for view in domain.views.values()
    )
    policies = (
        Registered(
            policy.name,
            policy.stored_name,
            "announcer" if isinstance(policy, Announcer) else "policy",
            "log",
            tuple(sorted(policy.categories)),
        )
        for policy in domain.policies.values()
    )
    return Application(name, (*views, *policies), folds)


def check_folds(known: Known, name: str, folds: Mapping[str, str]) -> None:
    """Raises DeployError if the application has rows that other folds than *folds* have made.

    Such rows would be shown as if the new fold had made them.
    """
    there = known.applications.get(name)
    old = there.folds if there else {}
    changed = sorted(view for view, fold in folds.items() if old.get(view, fold) != fold)
    if changed:
        raise DeployError(
            f"{name} has rows that another fold has made: {', '.join(changed)}; deploy the change"
            " beside it, `leftfold generation create NAME`, and activate that once it has caught up"
        )


def register(applications: Applications, name: str, folds: Mapping[str, str]) -> None:
    """Registers the application *name*, and makes the first one of a truth the active one.

    Raises DeployError if it has rows of other folds.
    """
    check_folds(applications.known(), name, folds)
    applications.register(application(name, folds))
    if applications.known().active is None:
        applications.activate(name, None)
