"""What a person does by `leftfold` with a deployment is in its audit stream, before it is done."""

import getpass

from chalicelib.leftfold.wiring.services import Services


def operator() -> str:
    """The person at this terminal."""
    return f"operator:{getpass.getuser()}"


def audited(services: Services, action: str, *what: str) -> Services:
    """The services, once it is recorded that the operator is about to do *action* with *what*."""
    services.auditing.action(operator(), action, what, services.new_id())
    return services
