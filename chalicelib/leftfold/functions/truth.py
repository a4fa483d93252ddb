"""Where Lambda finds the functions of a truth, which run once for all its applications.

CloudFormation makes them, not Chalice: they know no domain, and change with the engine alone.
"""

from chalicelib.leftfold.functions import entry

__all__ = ["entry"]

# Python calls it for a name that this module does not have (PEP 562).
__getattr__ = entry
