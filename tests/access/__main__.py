"""A recorded run: python -m tests.access [--tokens N].

The attacks on the deployed package, over HTTP, on MiniStack and OpenSearch: one stage takes tokens of an
issuer whose key the attacker lacks, another one requests that roles have signed. Every attack must be
refused, with nothing written; what it asks for must be there for whoever may have it.
"""

import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import boto3
import click
import httpx
from rich.console import Console

from chalicelib.leftfold.access.callers import SCOPES, granted
from chalicelib.leftfold.access.roles import text_of
from tests.access.attacks import FORGED, changed
from tests.http.samples import booking, czk, opening
from tests.http.test_access import GUARDED, path_of
from tests.http.test_attacks import IDS
from tests.issuer import AUDIENCE, ISSUER, NAME, token
from tools.archiving import NOBODY_WRITES, archive
from tools.bootstrap import ROOT, STATE
from tools.cloud import LOCAL_REGION, Cloud
from tools.deploy import Deployed, deploy
from tools.deployment_services import reach
from tools.engines import MiniStack, OpenSearch, Progress
from tools.last_deployment import Current
from tools.package import package
from tools.signing_in import Signed
from tools.stages import stage

ACCOUNT = "000000000000"
# By what is wrong with it in the clock of a deployment; tests/access/attacks.py has them for another.
LATE: Mapping[str, Callable[[], str]] = {
    "not yet valid": lambda: changed(nbf=time.time() + 3_600),
    "issued in the future": lambda: changed(iat=time.time() + 3_600),
}
WORDS = ["*", "rent OR tenant:main", '{"match_all":{}}', "/r.*/", 'rent" OR "1"="1', "rent) || (*"]
BREAKS = ["a\tb", "a" * 6_000, "\u00e9", '"', "*"]
AT_ONCE = 8


@dataclass
class Outcome:
    """One kind of attack: how many requests were sent, what they were answered, what was wrong."""

    name: str
    answers: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def add(self, sent: str, answer: httpx.Response, allowed: Iterable[str]) -> None:
        """Notes an answer, which must be one of those that are *allowed*: "401 token-invalid"."""
        try:
            code = answer.json().get("code", "")
        except ValueError:
            code = ""
        said = f"{answer.status_code} {code}".strip()
        self.answers[said] += 1
        if not any(said.startswith(one) for one in allowed):
            self.wrong.append(f"{self.name}: {sent}: {said}")


class WithIssuer(Cloud):
    """MiniStack, whose stage trusts the tests' issuer instead of a user pool."""

    def __init__(self, endpoint_url: str, keys: str) -> None:
        super().__init__(endpoint_url)
        self._keys = keys

    @property
    def parameters(self) -> dict[str, str]:
        trusted = {"OtherIssuer": NAME, "OtherKeys": self._keys, "MoreAudience": AUDIENCE}
        return {**super().parameters, **trusted}


class WithRole(Cloud):
    """MiniStack, asked as a session of a role."""

    def __init__(self, endpoint_url: str, role: str) -> None:
        super().__init__(endpoint_url)
        arn = f"arn:aws:iam::{ACCOUNT}:role/{role}"
        made = self.client("sts").assume_role(RoleArn=arn, RoleSessionName="trial")["Credentials"]
        self._session = boto3.Session(
            region_name=LOCAL_REGION,
            aws_access_key_id=made["AccessKeyId"],
            aws_secret_access_key=made["SecretAccessKey"],
            aws_session_token=made["SessionToken"],
        )


@contextmanager
def issuing() -> Iterator[str]:
    """Publishes the issuer's keys; where."""

    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(ISSUER.published()).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Keys)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/jwks.json"
    finally:
        server.shutdown()


@dataclass
class Target:
    """A deployment, as strangers and callers reach it."""

    deployed: Deployed
    cloud: Cloud
    client: httpx.Client

    def send(
        self,
        method: str,
        path: str,
        bearer: str | None = None,
        body: Any = None,
        headers: Mapping[str, str] = {},
    ) -> httpx.Response:
        """One request, with a token if *bearer* is one."""
        signed_in = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
        return self.client.request(
            method, f"{self.deployed.url}{path}", json=body, headers={**signed_in, **headers}
        )

    def get(self, path: str, bearer: str | None = None, **headers: str) -> httpx.Response:
        return self.send("GET", path, bearer, headers=spelled(headers))

    def post(
        self, path: str, body: Any, bearer: str | None = None, **headers: str
    ) -> httpx.Response:
        return self.send("POST", path, bearer, body, spelled(headers))

    def written(self) -> int:
        """How many commits there are."""
        pages = self.cloud.client("dynamodb").get_paginator("scan")
        found = pages.paginate(TableName=f"{self.deployed.stack}-events", Select="COUNT")
        return sum(page["Count"] for page in found)

    def until(self, path: str, bearer: str, shows: Callable[[Any], bool]) -> None:
        """Waits until what is at *path* is so."""
        for _ in range(600):
            answer = self.get(path, bearer)
            if answer.status_code == httpx.codes.OK and shows(answer.json()):
                return
            time.sleep(0.2)
        raise SystemExit(f"{path} is not shown: {answer.status_code} {answer.text[:300]}")


def spelled(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-").title(): value for name, value in headers.items()}


def encoded(text: str) -> str:
    """Each byte of *text* percent-encoded, so that no client on the way changes it."""
    return "".join(f"%{byte:02X}" for byte in text.encode())


def furnish(target: Target) -> None:
    """What main has: accounts, a transfer, a statement whose epoch is archived, a ledger."""
    main = token()
    for key in "ab":
        made(target.post("/accounts", opening(accountId=key), main, idempotency_key=f"open-{key}"))
    rent = booking("7.00", purpose="rent")
    made(target.post("/accounts/a/credits", rent, main, idempotency_key="k"))
    order = {"transferId": "t", "source": "a", "target": "b", "amount": czk("1.00")}
    made(target.post("/transfers", {**order, "valueDate": "2026-01-01"}, main))
    target.until("/transfers/t", main, lambda shown: shown["state"] == "completed")
    made(target.post("/accounts/a/statements", {"through": "2025-12-31"}, main))
    books = {"ledgerId": "l", "name": "L", "firstYear": 2025, "retainedEarnings": "Equity:R"}
    made(target.post("/ledgers", books, main))
    target.until("/ledgers/l", main, lambda shown: shown["name"] == "L")
    target.until("/accounts/a/statements/1", main, lambda _: True)
    target.until("/bookings?q=rent", main, lambda shown: len(shown["items"]) == 1)
    current = Current(target.deployed.stack, target.deployed.url, target.cloud.endpoint_url)
    archive(reach(current), datetime.now(UTC), NOBODY_WRITES)


def made(answer: httpx.Response) -> None:
    if not answer.is_success:
        raise SystemExit(f"{answer.request.url}: {answer.status_code} {answer.text}")


# What main has, by the path where it is.
THEIRS = (
    *("/accounts/a", "/accounts/a/events", "/accounts/a/statements/1", "/transfers/t"),
    *("/transfers/t/trace", "/ledgers/l", "/ledgers/l/trial-balance?asOf=2025-12-31"),
    *("/streams/account/a", "/streams/account/a/commits/1", "/subjects/account:a/data"),
    *("/live/accounts/a", "/live/transfers/t"),
)


def forged(target: Target) -> Outcome:
    """Tokens of every wrong kind, none, and one that has expired."""
    found = Outcome("forged tokens, each on a query and on a command")
    kinds: Mapping[str, Callable[[], str]] = {**FORGED, **LATE}
    tokens = {name: kind() for name, kind in kinds.items()}
    for name, bearer in tokens.items():
        # One of 9 KB is more than gateways take.
        allowed = ("401 token-invalid", *(("400", "413", "431") if name == "9 KB" else ()))
        found.add(name, target.get("/accounts/a", bearer), allowed)
        found.add(name, target.post("/accounts", opening(accountId="x"), bearer), allowed)
    expired = changed(exp=time.time() - 60)
    found.add("expired", target.get("/accounts/a", expired), ("401 token-expired",))
    return found


def every_route(target: Target) -> Iterable[Outcome]:
    """Each route without a token, without its scope, and without a tenant."""
    absent, scope = Outcome("each route without a token"), Outcome("each route without its scope")
    tenant = Outcome("each route without a tenant")
    for route in GUARDED:
        body: Any = {} if route.body is not None else None
        path = path_of(route)
        others = [granted(one) for one in SCOPES if one != route.scope]
        sent = f"{route.method} {path}"
        absent.add(sent, target.send(route.method, path, None, body), ("401 token-missing",))
        answer = target.send(route.method, path, token("main", *others), body)
        scope.add(sent, answer, ("403 scope-missing",))
        answer = target.send(route.method, path, changed(tenant="Main"), body)
        tenant.add(sent, answer, ("403 tenant-missing",))
    return absent, scope, tenant


def other_tenant(target: Target) -> Iterable[Outcome]:
    """What main has, asked for and changed by another tenant."""
    other, main = token("other"), token()
    reads = Outcome("main's things by path, archived history among them")
    for path in THEIRS:
        # That somebody looked at all data of a person is a commit of its own.
        there = None if path.startswith("/subjects/") else target.get(path, main)
        if there is not None and not there.is_success:
            reads.wrong.append(f"{path} is not there for main: {there.status_code} {there.text}")
        reads.add(path, target.get(path, other), ("404",))
    writes = Outcome("commands on main's things, by If-Match and by a key that was used")
    for headers in ({}, {"if_match": '"2"'}, {"if_match": "*"}, {"idempotency_key": "k"}):
        rent = booking("7.00", purpose="rent")
        answer = target.post("/accounts/a/credits", rent, other, **headers)
        writes.add(str(headers), answer, ("404",))
    for path in ("/transfers/t/cancel", "/accounts/a/freeze", "/ledgers/l/years/2025/close"):
        writes.add(path, target.post(path, None, other), ("404",))
    cursors = Outcome("main's cursor, and cursors that nobody made")
    cursor = target.get("/log?limit=1", main).json()["next"]
    for one in (cursor, f"{cursor}x", cursor[:-2], "AAAA", "main", ""):
        answer = target.get(f"/log?after={encoded(one)}", other)
        cursors.add(one[:12], answer, ("400 bad-cursor", "400 invalid-query"))
    lists = Outcome("lists, feed, totals and search of another tenant")
    for path in ("/accounts", "/bookings?q=rent", "/transfers", "/totals", "/log?limit=10"):
        answer = target.get(path, other)
        lists.add(path, answer, ("200",))
        if answer.json().get("items") != []:
            lists.wrong.append(f"{path} shows {answer.text[:200]}")
    return reads, writes, cursors, lists


def ids(target: Target) -> Iterable[Outcome]:
    """Ids that try to be parts of other keys."""
    other = token("other")
    paths, bodies = Outcome("ids in paths that try to cross"), Outcome("ids in bodies that do")
    for key in (*IDS, "..%2Fmain%2Faccount-a", "main%2Faccount-a"):
        for path in (f"/accounts/{encoded(key)}", f"/accounts/{encoded(key)}/events"):
            # What is no path for a server may be refused before it is looked at.
            paths.add(path[:60], target.get(path, other), ("404", "400", "403", "414"))
    for key in ("", *IDS):
        answer = target.post("/accounts", opening(accountId=key), other)
        bodies.add(repr(key[:20]), answer, ("400 invalid-body",))
        order = {"transferId": "u", "source": key, "target": "b", "amount": czk("7.00")}
        answer = target.post("/transfers", {**order, "valueDate": "2026-01-01"}, other)
        bodies.add(repr(key[:20]), answer, ("400 invalid-body",))
    return paths, bodies


def words(target: Target) -> Iterable[Outcome]:
    """Queries that try to be more than words, and headers that try to be more than values."""
    other, main = token("other"), token()
    queries = Outcome("queries that try to be more than words")
    for text in WORDS:
        for path in ("/bookings?q=", "/accounts?owner=", "/transfers?state=", "/accounts?sort="):
            answer = target.get(f"{path}{encoded(text)}", other)
            queries.add(path + text, answer, ("200", "400"))
            if answer.is_success and answer.json()["items"]:
                queries.wrong.append(f"{path}{text} shows {answer.text[:200]}")
        answer = target.get(f"/bookings?tenant=main&q={encoded(text)}", other)
        queries.add(f"tenant=main {text}", answer, ("400 invalid-query",))
    headers = Outcome("headers that try to be more than values")
    for value in BREAKS:
        for name in ("Idempotency-Key", "If-Match", "Traceparent"):
            allowed: tuple[str, ...] = ("400 invalid-header", "412", "431")
            if (name, value) == ("If-Match", "*"):
                continue
            raw = [(name.encode(), value.encode()), (b"Authorization", f"Bearer {main}".encode())]
            sent = booking("7.00")
            answer = target.client.post(
                f"{target.deployed.url}/accounts/a/credits", json=sent, headers=raw
            )
            # A key may have any visible character.
            allowed += ("200",) if (name, value) in TAKEN else ()
            headers.add(f"{name}: {value[:12]}", answer, allowed)
    return queries, headers


TAKEN = (("Idempotency-Key", '"'), ("Idempotency-Key", "*"))


def flood(target: Target, number: int) -> tuple[Outcome, float, int]:
    """So many wrong tokens by as many keys that nobody has; the seconds, and how often keys were read."""
    found = Outcome(f"{number:,} wrong tokens by as many unknown keys")
    before, began = ISSUER.asked, time.monotonic()
    tokens = [ISSUER.sign({"sub": "x"}, kid=f"key-{n + 2}") for n in range(number)]

    def send(bearer: str) -> httpx.Response:
        return target.get("/accounts/a", bearer)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        for answer in threads.map(send, tokens):
            found.add("", answer, ("401 token-invalid",))
    found.add("a good one after them", target.get("/accounts/a", token()), ("200",))
    return found, time.monotonic() - began, ISSUER.asked - before


# --- the stage whose requests are signed

GRANTS = {
    "everything": f"main {' '.join(SCOPES)}",
    "reader": "main queries",
    "other": f"other {' '.join(SCOPES)}",
}


def role(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def tree_with_roles(folder: Path) -> Path:
    """The application, with a stage `signed` whose requests are signed."""
    for part in ("chalicelib", ".chalice"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "infra").mkdir()
    for file in ("app.py", "requirements.txt", "infra/resources.json"):
        shutil.copyfile(ROOT / file, folder / file)
    text = (ROOT / "infra/stages.toml").read_text().partition("\n[dev]\n")[2]
    granted_to = ", ".join(f'"{role(name)}" = "{says}"' for name, says in GRANTS.items())
    lines = text.partition("\n[")[0].replace("roles = {}", f"roles = {{ {granted_to} }}")
    (folder / "infra/stages.toml").write_text(f"[signed]\n{lines}\n")
    config = json.loads((folder / ".chalice/config.json").read_text())
    table = text_of({role(name): says for name, says in GRANTS.items()})
    variables = {"LEFTFOLD_STACK": "leftfold-signed", "LEFTFOLD_ROLES": table}
    config["stages"] = {"signed": {**config["stages"]["dev"], "environment_variables": variables}}
    (folder / ".chalice/config.json").write_text(json.dumps(config))
    return folder


def deploy_signed(cloud: Cloud, report: Progress) -> Deployed:
    """A second stage beside the first one, on the same MiniStack."""
    for name in (*GRANTS, "nobody"):
        trust = json.dumps({"Version": "2012-10-17", "Statement": []})
        cloud.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust)
    with tempfile.TemporaryDirectory() as folder:
        root = tree_with_roles(Path(folder))
        made_of = package("signed", report, root, STATE / "build")
        return deploy(made_of, stage("signed", root), cloud, report)


def signed(target: Target, url: str) -> Iterable[Outcome]:
    """Requests to the stage that takes roles."""

    def by(name: str) -> httpx.Client:
        auth = Signed(WithRole(str(target.cloud.endpoint_url), name))
        return httpx.Client(auth=auth, timeout=300, trust_env=False)

    right = Outcome("signed by roles of the table")
    body = opening(accountId="s")
    with by("everything") as everything, by("reader") as reader, by("other") as other:
        right.add("open", everything.post(f"{url}/accounts", json=body), ("201",))
        for _ in range(600):
            answer = everything.get(f"{url}/accounts/s?minVersion=1")
            if answer.is_success:
                break
        right.add("read", answer, ("200",))
        right.add("read", reader.get(f"{url}/accounts/s"), ("200",))
        right.add("twin", reader.get(f"{url}/live/accounts/s"), ("200",))
        shown = everything.get(f"{url}/accounts/s/events").json()["items"][0]
        if shown["actor"] != role("everything"):
            right.wrong.append(f"the actor is {shown['actor']}")
        scope = Outcome("signed by a role without the scope")
        scope.add("open", reader.post(f"{url}/accounts", json=body), ("403 scope-missing",))
        scope.add("feed", reader.get(f"{url}/log"), ("403 scope-missing",))
        tenant = Outcome("signed by a role of another tenant")
        tenant.add("read", other.get(f"{url}/accounts/s"), ("404 account-missing",))
        freeze = other.post(f"{url}/accounts/s/freeze")
        tenant.add("freeze", freeze, ("404 account-missing",))
    return right, scope, tenant


def unsigned(target: Target, url: str) -> Iterable[Outcome]:
    """Requests to that stage of strangers: other roles, none, and tokens of another stage."""
    stranger = Outcome("signed by a role that is not in the table, and by none")
    for cloud in (WithRole(str(target.cloud.endpoint_url), "nobody"), target.cloud):
        with httpx.Client(auth=Signed(cloud), timeout=300, trust_env=False) as client:
            for path in ("/accounts/s", "/log", "/live/accounts/s"):
                stranger.add(path, client.get(f"{url}{path}"), ("403 role-unknown",))
    bare = Outcome("each route without a signature, and with a good token of another stage")
    for route in GUARDED:
        sent: Any = {} if route.body is not None else None
        for bearer in (None, token()):
            answer = target.send(route.method, path_of(route), bearer, sent)
            bare.add(path_of(route), answer, ("403",))
    opened = Outcome("what is open to everybody")
    for path in ("/health", "/openapi.json"):
        opened.add(path, target.get(path), ("200",))
    return stranger, bare, opened


@dataclass
class Trial:
    """Attacks, each told as soon as it is over, and what was wrong with their answers."""

    console: Console
    wrong: list[str] = field(default_factory=list)

    def run(self, target: Target, attack: Callable[[], Iterable[Outcome]], *, writes: bool) -> None:
        """Runs attacks, none of which may write if they are not of somebody who may."""
        before = target.written()
        for found in attack():
            after = target.written()
            shown = ", ".join(f"{count} x {said}" for said, count in sorted(found.answers.items()))
            total = found.answers.total()
            self.console.print(
                f"{found.name}: {total:,} requests; {shown}; {after - before} commits",
                markup=False,
                soft_wrap=True,
            )
            self.wrong.extend(found.wrong)
            if after != before and not writes:
                self.wrong.append(f"{found.name}: {after - before} commits were written")
            before = after


def with_tokens(target: Target, trial: Trial, number: int) -> None:
    """The attacks on a stage that takes tokens."""
    furnish(target)
    trial.run(target, lambda: [forged(target)], writes=False)
    trial.run(target, lambda: every_route(target), writes=False)
    trial.run(target, lambda: other_tenant(target), writes=False)
    trial.run(target, lambda: ids(target), writes=False)
    trial.run(target, lambda: words(target), writes=True)
    flooded, seconds, asked = flood(target, number)
    trial.run(target, lambda: [flooded], writes=False)
    trial.console.print(f"they took {seconds:.0f} s; the issuer's keys were read {asked} times")


@click.command()
@click.option("--tokens", default=10_000, show_default=True, help="Wrong ones, sent in a row.")
@click.option("--only", type=click.Choice(["tokens", "roles"]), help="One of the two stages.")
def main(*, tokens: int, only: str | None) -> None:
    """Attack the deployed package; exit 1 if an attack was answered otherwise than refused."""
    console = Console()
    trial = Trial(console)
    with ExitStack() as started:
        keys = started.enter_context(issuing())
        search = OpenSearch()
        services = MiniStack(opensearch=search.endpoint)
        started.callback(search.stop)
        started.callback(services.stop)
        services.start()
        search.start()
        client = started.enter_context(httpx.Client(timeout=300, trust_env=False))
        if only != "roles":
            cloud = WithIssuer(services.url, keys)
            attacked = replace(stage("dev"), name="attacked", tenant_rate=0, api_warm=1)
            deployed = deploy(package("dev", quietly), attacked, cloud, quietly)
            with_tokens(Target(deployed, cloud, client), trial, tokens)
        if only != "tokens":
            plain = Cloud(services.url)
            beside = deploy_signed(plain, quietly)
            target = Target(beside, plain, client)
            trial.run(target, lambda: signed(target, beside.url), writes=True)
            trial.run(target, lambda: unsigned(target, beside.url), writes=False)
        # Before the engines end, which takes a while.
        for line in trial.wrong[:40]:
            console.print(line, markup=False, soft_wrap=True)
        console.print(f"{len(trial.wrong)} answers were otherwise than they must be")
    raise SystemExit(1 if trial.wrong else 0)


def quietly(_said: str) -> None:
    """Says nothing."""


if __name__ == "__main__":
    main()
