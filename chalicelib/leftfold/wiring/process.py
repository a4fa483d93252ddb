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
    return _services or use(Services(Settings(os.environ), _domain))


def use(chosen: Services) -> Services:
    """Makes *chosen* the services of this process, and their stack that of its metrics."""
    global _services  # noqa: PLW0603 - one set of services for each process
    metrics.belong_to(chosen.settings.stack)
    _services = chosen
    return chosen
