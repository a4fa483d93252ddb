"""The services of this process, made from its domain and its environment."""

import os

from chalicelib.leftfold import metrics
from chalicelib.leftfold.kernel import Domain
from chalicelib.leftfold.wiring.services import Services
from chalicelib.leftfold.wiring.settings import Settings

_domain = Domain(())
_services: Services | None = None


def serve(domain: Domain) -> None:
    """Makes *domain* the domain of this process."""
    global _domain, _services
    _domain, _services = domain, None


def served() -> Domain:
    """The domain of this process."""
    return _domain


def services() -> Services:
    """The services of this process. The first call makes them from the environment."""
    return _services or use(made_of(Settings(os.environ)))


def made_of(settings: Settings) -> Services:
    """The services of an application, or those of a truth where *settings* name no application."""
    if not settings.is_truth:
        return Services(settings, _domain)
    from chalicelib.leftfold.wiring.truth import TruthServices

    return TruthServices(settings)


def use(chosen: Services) -> Services:
    """Makes *chosen* the services of this process, and its metrics those of their stack."""
    global _services  # noqa: PLW0603 - one set of services for each process
    settings = chosen.settings
    metrics.belong_to(settings.truth if settings.is_truth else settings.stack)
    _services = chosen
    return chosen
