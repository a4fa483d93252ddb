"""What is registered of the application that this tree makes."""

from collections.abc import Mapping

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.kernel import Announcer, Codec, Domain
from chalicelib.leftfold.store.applications import Application, Applications, Known, Registered
from chalicelib.leftfold.subjects.audit import with_engines_own
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
    codecs = {
        category: aggregate.codec
        for category, aggregate in with_engines_own(domain.aggregates).items()
    }
    writes, reads = (
        {
            f"{category}/{event}": version
            for category, codec in codecs.items()
            for event, version in of_codec(codec).items()
        }
        for of_codec in (Codec.writes, Codec.reads)
    )
    return Application(name, (*views, *policies), folds, writes, reads)


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


def check_events(known: Known, made: Application) -> None:
    """Raises DeployError if *made* would write an event that another application of the truth cannot
    read, or cannot read one that another writes: their readers would stop at it.
    """
    for other in known.applications.values():
        if other.name == made.name:
            continue
        if missing := unread(made.writes, other.reads):
            raise DeployError(
                f"{other.name} cannot read what this release writes: {missing}; first release code"
                " that reads it and does not write it yet (`ahead` of the codec), or drop"
                f" {other.name}"
            )
        if missing := unread(other.writes, made.reads):
            raise DeployError(
                f"this release cannot read what {other.name} writes: {missing}; add an upcast, or"
                " `ahead` of the codec"
            )


def unread(writes: Mapping[str, int], reads: Mapping[str, int]) -> str:
    """The events that one application writes in a version that another one does not read."""
    return ", ".join(
        f"{event} v{version}"
        for event, version in sorted(writes.items())
        if version > reads.get(event, 0)
    )


def register(applications: Applications, name: str, folds: Mapping[str, str]) -> None:
    """Registers the application *name*, and makes the first one of a truth the active one.

    Raises DeployError if it has rows of other folds, or if it and another one of the truth would
    write what the other cannot read.
    """
    known, made = applications.known(), application(name, folds)
    check_folds(known, name, folds)
    check_events(known, made)
    applications.register(made)
    if applications.known().active is None:
        applications.activate(name, None)
