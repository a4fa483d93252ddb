"""Subjects of personal data: forgotten, and shown what is held about them. For operators."""

from contextlib import suppress
from itertools import islice

from marshmallow import fields, validate

from chalicelib.leftfold.http.cursors import after_of, cursor, whole
from chalicelib.leftfold.http.fields import LARGEST_VERSION, Fullmatch, Pages, Shown, Strict
from chalicelib.leftfold.http.operating import OfTenant, operated_tenant
from chalicelib.leftfold.http.problems import Problem
from chalicelib.leftfold.http.repairing import by
from chalicelib.leftfold.http.routes import Answer, Call, Route
from chalicelib.leftfold.kernel.commit import TAG, instant
from chalicelib.leftfold.store.ports import Unavailable
from chalicelib.leftfold.subjects.keys import Erasure


class SubjectPath(Strict):
    """A subject, such as `account:17`."""

    id = fields.String(
        required=True,
        validate=Fullmatch(f"^{TAG}$", reason='must be a subject like "account:17"'),
    )


class ErasureBody(Strict):
    """Why a subject is forgotten: the number of a case, which is kept for ever."""

    case = fields.String(
        required=True,
        validate=Fullmatch(
            "^[A-Za-z0-9._:/#-]{1,64}$",
            reason="must be the number of a case, without spaces: it is kept, so it says no name",
        ),
    )


class ErasureShown(Shown):
    """An erasure; *report* is there once nothing shows the subject's data any more."""

    subject = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf(("under-way", "finished")))
    erased_at = fields.String(required=True, metadata={"format": "date-time"})
    erased_by = fields.String(required=True)
    case = fields.String(required=True)
    finished_from = fields.String(required=True, metadata={"format": "date-time"})
    report = fields.Dict(keys=fields.String(), required=True, allow_none=True)


class HeldShown(Shown):
    """An event with data of the subject: its place, and its personal fields by their names."""

    stream = fields.String(required=True)
    version = fields.Integer(required=True)
    index = fields.Integer(required=True)
    event = fields.String(required=True)
    at = fields.String(required=True, metadata={"format": "date-time"})
    data = fields.Dict(keys=fields.String(), values=fields.String(), required=True)


class HeldList(Shown):
    """A page of what is held about a subject."""

    items = fields.List(fields.Nested(HeldShown), required=True)
    next = fields.String(required=True, allow_none=True)


class HeldQuery(OfTenant, Pages):
    """The pages of what is held, and for an operator of the house the tenant."""


def subject_of(call: Call) -> str:
    """The subject of the path, with its tenant."""
    return f"{operated_tenant(call)}/{call.path['id']}"


def erase(call: Call) -> Answer:
    """Destroys the subject's key, and begins to take its data out of rows."""
    # Imported here, as in `shown`: no other request waits for the code of an erasure.
    from chalicelib.leftfold.erasure.erasing import UnknownSubjectError

    subject = subject_of(call)
    eraser = call.house.in_log_of(subject).eraser
    try:
        erasure = eraser.begin(subject, by(call), call.body["case"])
    except UnknownSubjectError as error:
        raise Problem("subject-missing") from error
    # It is begun for good: the function `forget` goes on with what does not answer, or takes long.
    with suppress(Unavailable):
        eraser.run(erasure)
    return shown(erasure, 202)


def show(call: Call) -> Answer:
    """How far the erasure has come."""
    erasure = call.house.data_keys.erasure(subject_of(call))
    if erasure is None:
        raise Problem("erasure-missing")
    return shown(erasure)


def shown(erasure: Erasure, status: int = 200) -> Answer:
    """The erasure for a client, who names the subject without its tenant."""
    from chalicelib.leftfold.erasure.erasing import settled_at

    return Answer(
        {
            "subject": erasure.subject.partition("/")[2],
            "state": "under-way" if erasure.report is None else "finished",
            "erasedAt": erasure.at,
            "erasedBy": erasure.by,
            "case": erasure.reason,
            "finishedFrom": instant(settled_at(erasure)),
            "report": erasure.report,
        },
        status=status,
    )


def data(call: Call) -> Answer:
    """What is held about the subject. That it was asked for is recorded first."""
    services, subject, limit = call.house, subject_of(call), call.query["limit"]
    if not services.data_keys.find([subject]):
        raise Problem("subject-missing")
    services.eraser.record_read(subject, by(call), services.new_id())
    (begun,) = after_of(call, whole(0, LARGEST_VERSION)) or (0,)
    page = list(islice(services.export.of(subject), begun, begun + limit + 1))
    more = len(page) > limit
    return Answer({"items": page[:limit], "next": cursor(call, [begun + limit]) if more else None})


routes: tuple[Route, ...] = (
    Route(
        "POST",
        "/subjects/{id}/erasure",
        "erase_subject",
        "Forget a subject: its personal data becomes unreadable, for ever",
        erase,
        ErasureShown(),
        scope="operate",
        status=202,
        parts=SubjectPath(),
        query=OfTenant(),
        body=ErasureBody(),
        problems=("house-only", "subject-missing", "unavailable"),
    ),
    Route(
        "GET",
        "/subjects/{id}/erasure",
        "show_erasure",
        "How far the erasure of a subject has come",
        show,
        ErasureShown(),
        scope="operate",
        parts=SubjectPath(),
        query=OfTenant(),
        problems=("house-only", "erasure-missing", "unavailable"),
    ),
    Route(
        "GET",
        "/subjects/{id}/data",
        "show_subject_data",
        "All that is held about a subject, across streams; each request is recorded",
        data,
        HeldList(),
        scope="operate",
        parts=SubjectPath(),
        query=HeldQuery(),
        problems=("house-only", "subject-missing", "bad-cursor", "contention", "unavailable"),
        is_watched=False,
    ),
)
