"""The trigger of the user pool: gives each access token its tenant, and people their scopes.

Cognito calls it before it signs a token. It is a function of its own, written into the template as
text, because the user pool outlives every version of the application. It needs the standard
library alone, and keeps nothing.

People have their tenant in the attribute `custom:tenant`, which no client may write, and their
scopes by their groups. A machine has the one scope `tenant/NAME` that its client is allowed.
"""

from typing import Any

SCOPES = ("commands", "queries", "feed", "operate", "house")
OURS = ("leftfold/", "tenant/")
MACHINES = "TokenGeneration_ClientCredentials"


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answers Cognito's event V2_0 (people) or V3_0 (machines)."""
    request = event["request"]
    asked = request.get("scopes") or []
    if event["triggerSource"] == MACHINES:
        tenants = [scope.removeprefix("tenant/") for scope in asked if scope.startswith("tenant/")]
        access: dict[str, Any] = {}
    else:
        tenants = [tenant for tenant in [request["userAttributes"].get("custom:tenant")] if tenant]
        groups = (request.get("groupConfiguration") or {}).get("groupsToOverride") or []
        rights = [f"leftfold/{group}" for group in SCOPES if group in groups]
        access = {
            "scopesToAdd": rights,
            "scopesToSuppress": [
                scope for scope in asked if scope.startswith(OURS) and scope not in rights
            ],
        }
    # A token for two tenants is one for none: nobody could tell which one a request is for.
    if len(tenants) == 1:
        access["claimsToAddOrOverride"] = {"tenant": tenants[0]}
    event["response"] = {"claimsAndScopeOverrideDetails": {"accessTokenGeneration": access}}
    return event
