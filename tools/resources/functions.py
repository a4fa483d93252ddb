"""Every Lambda function of the app: one for each view and policy, and the engine's own."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

from chalice.utils import to_cfn_resource_name

from chalicelib.leftfold.kernel import Announcer, Email, Policy, Reaction, View
from tools.resources.permissions import (
    ANSWER,
    ANY_OF_INDEX,
    BUS,
    BUS_STREAM,
    COMMAND,
    ERASING,
    FIND,
    HANDING_OVER,
    LOAD,
    MAKING_KEYS,
    MOVE,
    NAMED,
    NOTE,
    OPENING,
    PARK,
    PASSED,
    PURGE_INDEX,
    READ_INDEX,
    READING_ARCHIVE,
    READING_LOG,
    REFERENCES,
    REWRITE_INDEX,
    ROWS,
    TAKING,
    Json,
    allow,
    arn,
    bus,
    checkpointing,
    earlier,
    if_following,
    indexing,
    searching,
    tables,
    waking,
)

# A shard of the bus bears few readers, so it feeds the active application alone.
FED: Json = {"Fn::If": ["IsFedByBus", True, False]}


class ResourcesError(Exception):
    """A function does not fit the domain: the message names the function and the cure."""


@dataclass(frozen=True)
class Function:
    """One Lambda function: its settings and its permissions.

    *called* is the function's name in the stack, if it differs from *name*. *source* is
    Chalice's word for the kind of the event source ("Kinesis"), with the properties of the source
    that Chalice cannot set. *chalice* are further settings for .chalice/config.json. *capped*
    says that the parameter FeedConcurrency bounds how many of it run at a time.
    """

    name: str
    statements: tuple[Json, ...]
    called: str = ""
    search: bool = False
    variables: Mapping[str, Any] | None = None
    woken: bool = False
    capped: bool = False
    source: tuple[str, Json] | None = None
    chalice: Mapping[str, Any] | None = None

    @property
    def logical_id(self) -> str:
        return "APIHandler" if self.name == "api_handler" else to_cfn_resource_name(self.name)

    @property
    def full_name(self) -> str:
        return REFERENCES.function(self.called or self.name)

    @property
    def iam_name(self) -> str:
        """The name of the file of its role's permissions."""
        return f"{(self.called or self.name).replace('_', '-')}.json"


# Which tokens the API takes, which sites may call it, and where it has gone.
ACCESS: Json = {
    "LEFTFOLD_MOVED_TO": {"Ref": "MovedTo"},
    "LEFTFOLD_ISSUER": {"Ref": "TokenIssuer"},
    "LEFTFOLD_JWKS": {"Ref": "TokenKeys"},
    "LEFTFOLD_AUDIENCE": {"Ref": "TokenAudience"},
    "LEFTFOLD_TENANT_CLAIM": {"Ref": "TenantClaim"},
    "LEFTFOLD_CORS_ORIGINS": {"Ref": "CorsOrigins"},
    "LEFTFOLD_TENANT_RATE": {"Ref": "TenantRate"},
    "LEFTFOLD_FEED_SEATS": {"Ref": "FeedSeats"},
    "LEFTFOLD_WAIT_SEATS": {"Ref": "WaitSeats"},
}
# Where people sign in to the console.
SIGN_IN: Json = {
    "LEFTFOLD_SIGN_IN": {"Ref": "SignIn"},
    "LEFTFOLD_SIGN_IN_TOKEN": {"Ref": "SignInToken"},
    "LEFTFOLD_CONSOLE": {"Ref": "Console"},
    "LEFTFOLD_SIGN_IN_SCOPE": {"Ref": "SignInScope"},
}
# The key that seals cursors.
COUNTING = tables(("dynamodb:UpdateItem",), "requests")
SEALING = tables(("dynamodb:GetItem", "dynamodb:PutItem"), "secrets")

# Repairs are in streams of their own; they are looked for when a commit cannot be read.
READING_REPAIRS = tables(("dynamodb:Query",), "events")


def other_functions(
    views: Mapping[str, View], policies: Mapping[str, Policy | Announcer]
) -> dict[str, Function]:
    """The functions that are neither views nor policies; an app may do without some of them."""
    documents = [view.stored_name for view in views.values() if view.store == "documents"]
    personal = [view for view in views.values() if view.personal]
    rewritten = [view.stored_name for view in personal if view.store == "documents"]
    # What an erasure needs of tables; IAM refuses a statement about none.
    rewriting = [tables(ROWS, *rewritten)] if rewritten else []
    # To read all indexes, and to write those that an erasure rewrites. These are named by one path
    # each, not by six: a role's permissions are 10,240 characters at most.
    shown = [view for view in views.values() if not view.personal]
    reading_and_rewriting = (*searching(READ_INDEX, shown), *searching(ANY_OF_INDEX, personal))
    # Those that deadlines are looked up in.
    dated = [view for view in views.values() if "deadline" in view.fields]
    # What queries need.
    querying = (
        tables(LOAD, "streams", "view-checkpoints", "policy-checkpoints", *documents),
        tables(FIND, "view-parked", "policy-parked"),
        # The sweeper's note, and what became of an e-mail.
        tables(("dynamodb:GetItem",), "policy-checkpoints", "effects"),
        *READING_LOG,
    )
    # Both go on for minutes where there is much to do.
    long: Mapping[str, Any] = {"lambda_timeout": 900}
    working = (
        *TAKING,
        *if_following(
            tables(("dynamodb:GetItem",), "control"),
            *MAKING_KEYS,
            tables((*MOVE, *NOTE), "policy-checkpoints"),
            tables(PARK, "policy-parked"),
        ),
    )
    scanned = ("events", "streams")
    following = (
        Function("copier", (*working, *if_following(waking("copier"))), woken=True, chalice=long),
        Function(
            "taker",
            (
                *working,
                *if_following(
                    earlier(("dynamodb:Scan",), *scanned),
                    tables(("dynamodb:Scan",), *scanned),
                    waking("taker"),
                ),
            ),
            woken=True,
            chalice=long,
        ),
    )
    engines_own = (
        Function(
            "api_handler",
            (
                tables(COMMAND, "events"),
                *MAKING_KEYS,
                *HANDING_OVER,
                tables(ERASING, "subjects"),
                *rewriting,
                SEALING,
                COUNTING,
                *querying,
                *reading_and_rewriting,
                # A wait for a view wakes it, and an operator who has it redriven wakes any reader.
                waking("relay", *views, *policies),
                # CloudWatch tells of alarms whoever may ask for all.
                allow(("cloudwatch:DescribeAlarms",), arn("cloudwatch", "alarm:*")),
            ),
            called="api",
            search=True,
            variables={**ACCESS, **SIGN_IN, "LEFTFOLD_REPAIRS": {"Ref": "Repairs"}},
            chalice={"lambda_timeout": 29},
        ),
        Function(
            "feed",
            (
                tables(("dynamodb:Query",), "events"),
                *OPENING,
                SEALING,
                COUNTING,
                *querying,
                *searching(READ_INDEX, views.values()),
                waking("relay", *views),
            ),
            search=True,
            variables=ACCESS,
            capped=True,
            # A request waits up to 20 seconds, and API Gateway up to 29 for its answer.
            chalice={"lambda_timeout": 29},
        ),
        Function("purge", searching(PURGE_INDEX, views.values()), search=True),
        Function(
            "forget",
            (
                tables(COMMAND, "events"),
                *HANDING_OVER,
                tables(ERASING, "subjects"),
                OPENING[1],
                *rewriting,
                tables(("dynamodb:Query",), "log"),
                tables(LOAD, "bodies"),
                *READING_ARCHIVE,
                *searching(("_mget", *REWRITE_INDEX), personal),
            ),
            search=True,
            # What is left is gone on with by the next run.
            chalice={"lambda_timeout": 240},
        ),
        Function(
            "deadlines",
            (
                tables(COMMAND, "events"),
                *MAKING_KEYS,
                tables(("dynamodb:Scan",), "applications"),
                *HANDING_OVER,
                *READING_ARCHIVE,
                *searching(("_search",), dated),
            ),
            search=True,
        ),
        filling_function(list(views.values())),
        *following,
    )
    return {function.name: function for function in engines_own}


def view_function(view: View) -> Function:
    """The function of a view, which writes the rows of this view alone."""
    from_bus = view.fed == "bus"
    searches = view.store == "search"
    return Function(
        view.name,
        (
            *([bus(BUS), allow(("kinesis:ListStreams",), "*")] if from_bus else []),
            *READING_LOG,
            *(OPENING if view.personal else ()),
            READING_REPAIRS,
            *checkpointing("view"),
            *(indexing([view]) if searches else [tables(ROWS, view.stored_name)]),
        ),
        search=searches,
        woken=True,
        source=("Kinesis", {"Stream": BUS_STREAM, "Enabled": FED}) if from_bus else None,
    )


def filling_function(views: Collection[View]) -> Function:
    """The worker of the state machine that fills a view: it writes the rows of any view."""
    documents = [view.stored_name for view in views if view.store == "documents"]
    return Function(
        "fill",
        (
            *READING_LOG,
            *(OPENING if any(view.personal for view in views) else ()),
            READING_REPAIRS,
            *checkpointing("view"),
            *indexing(views),
            *([tables(ROWS, *documents)] if documents else []),
            *([waking(*(view.name for view in views))] if views else []),
        ),
        search=True,
        chalice={"lambda_timeout": 900},
    )


def policy_function(policy: Policy | Announcer) -> Function:
    """The function of a policy: it sends commands, and e-mails if its `react` returns `Email`s."""
    if isinstance(policy, Announcer):
        return announcer_function(policy)
    leads_to = named_in(get_type_hints(policy.react)["return"])
    mails, commands = Email in leads_to, Reaction in leads_to
    # SES may have verified the address itself or its domain, so any identity is allowed.
    sender = {"StringEquals": {"ses:FromAddress": {"Ref": "MailFrom"}}}
    return Function(
        policy.name,
        (
            *([tables(ANSWER, "events"), *HANDING_OVER] if commands else []),
            *(MAKING_KEYS if commands else OPENING),
            *PASSED,
            *READING_LOG,
            *checkpointing("policy"),
            *(
                [
                    tables(("dynamodb:UpdateItem",), "effects"),
                    allow(("ses:SendEmail",), arn("ses", "identity/*"), Condition=sender),
                ]
                if mails
                else []
            ),
        ),
        variables={"LEFTFOLD_MAIL_FROM": {"Ref": "MailFrom"}} if mails else None,
        woken=True,
    )


def announcer_function(announcer: Announcer) -> Function:
    """The function of an announcer. In a stream it looks for the announcement before."""
    telling = ("events:DescribeEventBus", "events:PutEvents")
    return Function(
        announcer.name,
        (
            *READING_LOG,
            tables(("dynamodb:Query",), "events"),
            *checkpointing("policy"),
            allow(telling, arn("events", f"event-bus/{NAMED('announcements')}")),
        ),
        woken=True,
    )


def named_in(hint: Any) -> set[Any]:
    """Every type in a type hint."""
    return {hint}.union(*map(named_in, get_args(hint)))


def functions(
    names: Collection[str],
    views: Mapping[str, View],
    policies: Mapping[str, Policy | Announcer],
) -> list[Function]:
    """The functions called *names*. Raises ResourcesError if they do not fit the domain."""
    known = {
        **other_functions(views, policies),
        **{name: view_function(view) for name, view in views.items()},
        **{name: policy_function(policy) for name, policy in policies.items()},
    }
    for name in names:
        if name not in known:
            raise ResourcesError(
                f"resources: nothing is known of the function {name}; list its view or policy"
                " in a context, or describe the function in tools/resources/functions.py"
            )
    for name in (*views, *policies):
        if name not in names:
            raise ResourcesError(
                f"resources: {name} is registered but has no function of that name; let"
                " chalicelib/functions.py make the functions from DOMAIN"
            )
    return [known[name] for name in known if name in names]
