"""The deployment that a command speaks to, and the options that name it."""

import click

from chalicelib.leftfold.wiring.services import Services
from tools.deployment_services import reach
from tools.last_deployment import Current, recall

stack_option = click.option(
    "--stack", help="Name of the stack; default: the newest deployment from this machine."
)
endpoint_option = click.option(
    "--endpoint-url", metavar="URL", help="MiniStack, or another stand-in for AWS."
)


def chosen(stack: str | None, endpoint_url: str | None) -> Services:
    """The services of the deployment that the options name."""
    if stack is None:
        return reach(recall())
    return reach(Current(stack, "", endpoint_url))
