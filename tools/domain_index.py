"""The index of a domain: the import path of each view and policy, and all routes with their parts.

The package contains it (`chalicelib/leftfold/wiring/domain_index.py`), so that a function imports
the module that defines its reader, and a request the part of the API that has its route.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tools.bootstrap import ROOT

Index = dict[str, Any]


def domain_index(root: Path) -> Index:
    """The index of the domain of the chalicelib under *root*."""
    listed = subprocess.run(
        # A process of its own, because this one may have another copy of chalicelib.
        [sys.executable, "-B", "-m", __name__],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        stdout=subprocess.PIPE,
    )
    index: Index = json.loads(listed.stdout)
    return index


def path_of(part: Any, defining: str) -> str | None:
    """`module:attribute` of a view or a policy, with the module *defining* if that has it.

    None if it is no module's attribute, such as one that a loop made.
    """
    modules = sorted(name for name in sys.modules if name.startswith("chalicelib."))
    for module in (defining, *modules):
        for attribute, value in vars(sys.modules.get(module, object)).items():
            if value is part:
                return f"{module}:{attribute}"
    return None


def main() -> None:
    """Prints the index of the domain that this process imports."""
    from chalicelib.domain import DOMAIN
    from chalicelib.leftfold.http.api import Api
    from chalicelib.leftfold.kernel import Policy

    views = {n: path_of(v, v.fold.__module__) for n, v in DOMAIN.views.items()}
    # An announcer has no code of its own that would tell where it is.
    policies = {
        n: path_of(p, p.react.__module__ if isinstance(p, Policy) else "")
        for n, p in DOMAIN.policies.items()
    }
    fed_by_bus = list(DOMAIN.fed_by_bus)
    api = Api(DOMAIN, "").index()
    print(json.dumps({"views": views, "policies": policies, "fedByBus": fed_by_bus, "api": api}))


if __name__ == "__main__":
    main()
