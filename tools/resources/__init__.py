"""Generates the settings, permissions and resources of each function from the domain.

`stacks` has what outlives an application: the tables of stage and truth, the bus, the search domain
and the archive's bucket. In the application's template, each view and policy has the settings and
permissions of its function, its log group, its alarms and its table.
"""

from tools.resources.beside import asynchronous
from tools.resources.files import (
    BESIDE_TEMPLATE,
    FRONT_TEMPLATE,
    STAGE_TEMPLATE,
    TEMPLATE,
    TRUTH_TEMPLATE,
    app_functions,
    differing,
    generated,
    wanted,
    write,
)
from tools.resources.functions import ResourcesError, functions
from tools.resources.stacks import TABLE_NAMES

__all__ = [
    "BESIDE_TEMPLATE",
    "FRONT_TEMPLATE",
    "STAGE_TEMPLATE",
    "TABLE_NAMES",
    "TEMPLATE",
    "TRUTH_TEMPLATE",
    "ResourcesError",
    "app_functions",
    "asynchronous",
    "differing",
    "functions",
    "generated",
    "wanted",
    "write",
]
