"""Generates the settings, permissions and resources of each function from the domain.

`stacks` has what outlives an application: the tables of stage and truth, the bus, the search domain
and the archive's bucket. In the application's template, each view and policy has the settings and
permissions of its function, its log group, its alarms and its table.
"""

from tools.resources.files import (
    STAGE_TEMPLATE,
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
    "STAGE_TEMPLATE",
    "TABLE_NAMES",
    "TRUTH_TEMPLATE",
    "ResourcesError",
    "app_functions",
    "differing",
    "functions",
    "generated",
    "wanted",
    "write",
]
