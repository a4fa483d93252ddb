"""Generates the settings, permissions and resources of each function from the domain.

infra/base.json is written by hand and has the event tables, the bus, the search domain and
the archive's bucket. Each view and policy adds the settings and permissions of its function,
its log group, its alarms and its table.
"""

from tools.resources.files import BASE, app_functions, differing, generated, wanted, write
from tools.resources.functions import ResourcesError, functions

__all__ = [
    "BASE",
    "ResourcesError",
    "app_functions",
    "differing",
    "functions",
    "generated",
    "wanted",
    "write",
]
