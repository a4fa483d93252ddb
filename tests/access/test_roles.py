"""Roles that sign requests: who they are, and what the table grants them."""

import pytest

from chalicelib.leftfold.access.callers import HOUSE, granted
from chalicelib.leftfold.access.roles import Roles, UnknownRoleError, roles_of, text_of

ROLE = "arn:aws:iam::111122223333:role/importer"
SESSION = "arn:aws:sts::111122223333:assumed-role/importer/night"


def roles(**more: str) -> Roles:
    return Roles(roles_of(text_of({ROLE: "main commands queries", **more})))


def test_a_session_of_a_role_calls_for_the_roles_tenant_with_its_scopes() -> None:
    caller = roles().caller(SESSION)
    assert caller.tenant == "main"
    assert caller.scopes == {granted("commands"), granted("queries")}
    assert not caller.is_of_house


def test_the_role_is_the_subject_because_its_sessions_choose_their_names() -> None:
    """Else one person with two sessions could approve their own repair."""
    callers = [roles().caller(SESSION), roles().caller(SESSION.replace("night", "noon"))]
    assert [caller.subject for caller in callers] == [ROLE, ROLE]
    assert [caller.client for caller in callers] == ["night", "noon"]


def test_the_house_is_a_right_of_its_own() -> None:
    table = Roles(roles_of(text_of({ROLE: "main operate house"})))
    assert table.caller(SESSION).is_of_house
    assert HOUSE in table.caller(SESSION).scopes
    assert not Roles(roles_of(text_of({ROLE: "main operate"}))).caller(SESSION).is_of_house


def test_a_roles_path_is_no_part_of_its_name() -> None:
    table = text_of({"arn:aws:iam::111122223333:role/teams/data/importer": "main queries"})
    assert Roles(roles_of(table)).caller(SESSION).tenant == "main"


@pytest.mark.parametrize("partition", ["aws-cn", "aws-us-gov"])
def test_other_partitions_of_aws_have_roles_too(partition: str) -> None:
    assert roles().caller(SESSION.replace("arn:aws:", f"arn:{partition}:")).subject == ROLE.replace(
        "arn:aws:", f"arn:{partition}:"
    )


@pytest.mark.parametrize(
    "arn",
    [
        *(None, "", 7, ["x"], "*", "importer", ROLE),
        "arn:aws:iam::111122223333:user/importer",
        "arn:aws:iam::111122223333:root",
        "arn:aws:sts::111122223333:federated-user/importer",
        "arn:aws:sts::999999999999:assumed-role/importer/night",
        "arn:aws:sts::111122223333:assumed-role/Importer/night",
        "arn:aws:sts::111122223333:assumed-role/importer-2/night",
        "arn:aws:sts::111122223333:assumed-role/other/importer/night",
        "arn:aws:sts::111122223333:assumed-role/importer",
        "arn:aws:sts::111122223333:assumed-role/importer/",
        f"{SESSION}\n",
        f" {SESSION}",
        SESSION.replace("1111", "\u0661\u0661\u0661\u0661"),
        SESSION.replace("importer", "\u0456mporter"),
    ],
)
def test_whoever_is_not_in_the_table_is_nobody(arn: object) -> None:
    with pytest.raises(UnknownRoleError):
        roles().caller(arn)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"importer": "main queries"}, "'importer' is no ARN of a role"),
        ({SESSION: "main queries"}, "is no ARN of a role"),
        ({f"{ROLE}*": "main queries"}, "is no ARN of a role"),
        ({ROLE: ""}, "'' cannot name a tenant"),
        ({ROLE: "Main queries"}, "'Main' cannot name a tenant"),
        ({ROLE: "main"}, "must be a tenant and some of commands, queries, feed, operate, house"),
        ({ROLE: "main queries all"}, "must be a tenant and some of"),
        ({ROLE: "main  queries"}, "must be a tenant and some of"),
        ({ROLE: "main queries", ROLE.replace("/", "/a/"): "b queries"}, "in the table already"),
    ],
)
def test_a_table_that_cannot_be_is_refused(table: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says.replace("(", r"\(")):
        text_of(table)


def test_no_roles_are_no_table() -> None:
    assert text_of({}) == ""
    assert roles_of("") == {}
