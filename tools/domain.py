"""The commands that the domain of this application adds to the `leftfold` command.

A team that replaces the bank lists its own commands here, or none.
"""

import click

from tools.api import ApiError
from tools.bank.commands import COMMANDS as BANK
from tools.files import FileError

COMMANDS: tuple[click.Command, ...] = BANK
# Errors whose text says in one line what is wrong, and the cure.
ERRORS: tuple[type[Exception], ...] = (ApiError, FileError)
