"""Writing generations: a second truth beside the first one, and the steps of a change.

Every step may be killed and run again: each looks at control, and does what is missing.
"""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import wait
from functools import partial
from typing import NamedTuple

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from chalicelib.leftfold.commands.owning import NotOwnedError
from chalicelib.leftfold.generations.control import (
    Control,
    ControlTable,
    created,
)
from chalicelib.leftfold.generations.operating import (
    MOST_LAG,
    SHARES,
    Operator,
    Status,
    abandon,
    changed,
    under_way,
)
from chalicelib.leftfold.kernel import Boundaries
from chalicelib.leftfold.store.logs import record_logs, recorded_logs
from chalicelib.leftfold.store.ports import Log
from chalicelib.leftfold.wiring.services import Services
from tools.applications import register
from tools.auditing import audited
from tools.cloud import Cloud, DeployError, explained
from tools.console import console, errors
from tools.deploy import (
    applications,
    check_way,
    data_keys,
    find,
    logs_record,
    read,
    stage_stack,
)
from tools.deploying import stage_option, told
from tools.deployment_services import reach
from tools.destroy import delete_kept
from tools.front import Front
from tools.generation import WRITE_PRICE, faults_of, generation_command, time_of
from tools.last_deployment import Current, remember
from tools.options import endpoint_option
from tools.package import Package
from tools.resources import TRUTH_TEMPLATE
from tools.stacks import Stacks
from tools.stages import Stage, running, stage
from tools.truths import active_application, active_truth, control_of, standing
from tools.uploading import Uploads
from tools.workers import processes

SHOWN = 20
# Seconds that an audit stream has, to come to the generation that takes commands.
LOOKS = 30
# Seconds between two looks at what is taken.
LOOK = 1.0


class Estimate(NamedTuple):
    """What a change takes at least, from the counts of the earlier log."""

    commits: int
    streams: int

    @property
    def units(self) -> int:
        """Write units: a copy of each commit, with its log; a bar and a mark for each stream."""
        return 2 * self.commits + 2 * self.streams

    def __str__(self) -> str:
        return (
            f"{self.commits:,} commits in {self.streams:,} streams: at least {self.units:,} write"
            f" units, ${self.units * WRITE_PRICE:,.2f} at list price; {time_of(self.commits)}"
        )


def estimate(logs: Sequence[Log]) -> Estimate:
    """What it takes to copy and take all that the logs of a truth have."""
    commits = sum(log.head().next_position for log in logs)
    return Estimate(commits, sum(1 for _ in logs[0].registry(every_log=True)))


def told_to(app: str, stacks: Stacks) -> dict[str, str]:
    """What an operator has told an application, which another one in its place is told, too."""
    told = stacks.parameters(app)
    return {name: told[name] for name in ("AlarmTopic", "MailFrom", "Repairs") if name in told}


def begin(table: ControlTable, first: str, green: str) -> Control:
    """Control once *green* follows the active generation; it may have been so before.

    *first* is the stage's first truth. Raises `WrongStateError`.
    """
    old = table.read()
    if old is not None and old.green == green and old.state != "abandoned":
        return old
    return changed(table, old, created(old or Control(first), green))


def check_boundaries(boundaries: Boundaries, logs: Sequence[Log]) -> None:
    """Raises DeployError if the transforms contradict each other for the streams of a truth."""
    faults = faults_of(boundaries, logs)
    if faults:
        raise DeployError(
            f"the transforms contradict each other: {'; '.join(faults[:SHOWN])};"
            " `leftfold generation plan` shows the whole"
        )


def create_beside(
    made: Package, found: Stage, app: str, stacks: Stacks, agreed: Callable[[str], bool]
) -> None:
    """Brings up the truth *app* and its first application, which are filled from the active truth.

    Run again, it deploys the present code there. *agreed* is asked with the estimate before anything
    is made. Raises DeployError and `WrongStateError`.
    """
    cloud = stacks.cloud
    with explained(cloud):
        if stacks.find(app) is not None and stacks.find(f"{app}-truth") is None:
            raise DeployError(
                f"{app} is a generation on another truth; choose another name for one of its own"
            )
        table = control_of(found, cloud)
        control = table.read()
        if control is None or control.green != app:
            earlier = active_truth(table, found)
            services = reach(Current(earlier, "", cloud.endpoint_url))
            if services.settings.earlier is not None:
                raise DeployError(
                    f"{earlier} still asks {services.settings.earlier} for streams;"
                    f" `leftfold generation drop` that one first"
                )
            logs = [each.log for each in services.in_each_log]
            check_boundaries(services.domain.boundaries, logs)
            if not agreed(f"{app} follows {earlier}: {estimate(logs)}"):
                raise DeployError(f"{app} is not made")
            # From now on the earlier truth has so many logs, also if it has no commit yet.
            record_logs(logs_record(earlier, cloud), len(logs))
            recorded(services, "generation create", app)
        control = begin(table, found.prefix, app)
        # Once the change is finished, the earlier truth may be gone, and nobody is asked for streams.
        is_there = stacks.find(f"{control.blue}-truth") is not None
        told_by = control.blue if is_there else app
        logs_there = recorded_logs(logs_record(control.blue, cloud)) if is_there else None
        # The first application of a truth may be gone.
        active = applications(told_by, cloud).known().active or told_by
        facts = {
            **told_to(active, stacks),
            **found.parameters,
            **cloud.parameters,
            "KeyArn": "",
            **stacks.outputs(stage_stack(found)),
            "Truth": app,
            "Earlier": control.blue if is_there else "",
            "EarlierArchive": (
                stacks.outputs(f"{control.blue}-truth")["ArchiveBucket"] if is_there else ""
            ),
            "EarlierLogs": str(logs_there or 1),
            "Ordinal": str(len(control.past) + 1),
        }
        uploads = Uploads(cloud, found.prefix)
        code = uploads.code(made.truth_zip, made.truth_fingerprint)
        built = {"Runtime": running(), "Architecture": made.architecture}
        stacks.bring(f"{app}-truth", uploads.template(read(TRUTH_TEMPLATE), code), facts | built)
        register(applications(app, cloud), app, made.folds)
        facts |= stacks.outputs(f"{app}-truth")
        code = uploads.code(made.zip, made.fingerprint)
        stacks.bring(app, uploads.template(read(made.template), code), facts)


def described(status: Status) -> Table:
    """Where a change stands, as an aligned table."""
    control = status.control
    table = Table(box=SIMPLE_HEAD, show_header=False)
    table.add_row("earlier generation", control.blue)
    table.add_row("later generation", control.green or "")
    switches = f", switch {control.switch}" if control.switch else ""
    table.add_row("state", f"{control.state}{switches}")
    table.add_row("active", control.active)
    table.add_row("copier behind", f"{status.lag:,} positions")
    table.add_row("parked in the copier", f"{len(status.parked):,} streams")
    taken = "—" if not control.switch else f"{status.taken.streams:,} streams"
    if control.switch and not status.taken.left:
        taken += ", all of them"
    table.add_row("taken in the background", taken)
    return table


def is_ready(status: Status) -> bool:
    """Whether the next step may be taken: the first switch, or the end of the change."""
    match status.control.state:
        case "replicating":
            return not status.parked and status.lag <= MOST_LAG
        case "switching":
            return not status.taken.left
    return True


def show_change(operator: Operator) -> bool:
    """Shows where a change stands; whether the next step may be taken now."""
    status = operator.status()
    console.print(described(status))
    for stream in status.parked[:SHOWN]:
        console.print(f"the transform fails on {stream}", style="red", markup=False)
    return is_ready(status)


def change_of(name: str, endpoint_url: str | None) -> tuple[Services, Control]:
    """The later generation of a stage's change, and control. Raises DeployError."""
    found, cloud = stage(name), Cloud(endpoint_url)
    check_way(found, "cloudformation")
    with explained(cloud):
        control = control_of(found, cloud).read()
    if control is None or control.green is None:
        raise DeployError(
            "no generation with a truth of its own was created;"
            " `leftfold generation create NAME --transform` does"
        )
    return reach(Current(control.green, "", endpoint_url)), control


def recorded(
    services: Services, action: str, *what: str, pause: Callable[[float], None] = time.sleep
) -> None:
    """Records what the operator is about to do, in the audit of the generation that takes commands.

    *services* are that one's. Its audit stream may be on its way to it: raises `NotOwnedError` if
    it does not come.
    """
    for left in reversed(range(LOOKS)):
        try:
            audited(services, action, *what)
        except NotOwnedError:
            if not left:
                raise
            pause(1)
        else:
            return


def about_to(
    action: str, services: Services, control: Control, endpoint_url: str | None
) -> Services:
    """The later generation's *services*, once it is recorded what is done about the change."""
    active = services
    if control.active != services.settings.truth:
        active = reach(Current(control.active, "", endpoint_url))
    recorded(active, action, f"{control.blue} to {control.green}")
    return services


def follow(control: Control, name: str, endpoint_url: str | None) -> None:
    """Leads the stage's address to the active generation, and makes that the one that commands here
    speak to. Raises DeployError.
    """
    found, cloud = stage(name), Cloud(endpoint_url)
    with explained(cloud):
        stacks = Stacks(cloud, told)
        app = active_application(found, stacks)
        if app is None:
            raise DeployError(f"{control.active} has no active application to lead to")
        left = applications(inactive(control), cloud).known().active
        address = Front(found, stacks).lead_to(app, standing(found, stacks), left=left)
    remember(Current(app, find(app, cloud).url, endpoint_url))
    console.print(f"{app} is active: {address}", soft_wrap=True)


def inactive(control: Control) -> str:
    """The truth of a change that does not take commands."""
    return control.blue if control.active == control.green else str(control.green)


@generation_command.command("switch")
@click.option("--most-lag", default=MOST_LAG, help="Positions that the copier may be behind.")
@stage_option
@endpoint_option
def switch_command(*, most_lag: int, name: str, endpoint_url: str | None) -> None:
    """Let the later generation take over, stream by stream, while commands go on.

    The stage's domain leads to it from now on; without a domain, the application that is left sends
    every request on (308).
    Refused while the copier is behind, or while the transform fails on a stream. A stream goes over
    with the first command to it, or in the background; `status` shows how far that is.
    """
    services, control = change_of(name, endpoint_url)
    about_to("generation switch", services, control, endpoint_url)
    # A policy that is new in this generation begins here, unless it says otherwise.
    services.begin_policies()
    follow(services.generations.operator.switch(most_lag), name, endpoint_url)


@generation_command.command("back")
@stage_option
@endpoint_option
def back_command(*, name: str, endpoint_url: str | None) -> None:
    """Give the streams back to the earlier generation, while commands go on.

    Refused where a transform has no inverse. `switch` leads there again.
    """
    services, control = change_of(name, endpoint_url)
    about_to("generation back", services, control, endpoint_url)
    follow(services.generations.operator.switch_back(), name, endpoint_url)


@generation_command.command("take")
@click.option(
    "--workers",
    default=1,
    type=click.IntRange(1, SHARES),
    show_default=True,
    help="Processes, each with shares of the streams.",
)
@stage_option
@endpoint_option
def take_command(*, workers: int, name: str, endpoint_url: str | None) -> None:
    """Take from here what nobody has asked for yet; the function `taker` does so each minute.

    Killed, it goes on where it was.
    """
    services, control = change_of(name, endpoint_url)
    operator = services.generations.operator
    with errors.status("taking") as status:
        taken = operator.taken(control)
        there = partial(take_there, name, endpoint_url)
        for _ in by_shares(operator, taken.left, workers, there):
            taken = operator.taken(control)
            status.update(f"taking: {taken.streams:,} streams")
    console.print(f"{taken.streams:,} streams are taken")


def take_there(name: str, endpoint_url: str | None, share: int) -> None:
    """Takes a share, in a process of its own."""
    services, _ = change_of(name, endpoint_url)
    services.generations.operator.take([share])


def by_shares(
    operator: Operator, shares: Collection[int], workers: int, there: Callable[[int], None]
) -> Iterator[None]:
    """Takes shares, in this process or by several; says now and then that something was taken."""
    if workers == 1:
        while operator.take(goes_on=lambda: False).left:
            yield
        yield
        return
    with processes(workers) as pool:
        waiting = {pool.submit(there, share) for share in shares}
        while waiting:
            done, waiting = wait(waiting, LOOK)
            for job in done:
                job.result()
            yield


@generation_command.command("redrive")
@stage_option
@endpoint_option
def redrive_command(*, name: str, endpoint_url: str | None) -> None:
    """Copy to the streams on which the transform has failed, once it is mended and deployed.

    Uses the transforms of this tree. Exits with 1 if it still fails on one.
    """
    services, control = change_of(name, endpoint_url)
    about_to("generation redrive", services, control, endpoint_url)
    left = services.generations.operator.redrive()
    for stream in left[:SHOWN]:
        console.print(f"the transform still fails on {stream}", style="red", markup=False)
    console.print(f"{len(left):,} streams stay parked")
    if left:
        raise SystemExit(1)


@generation_command.command("finish")
@stage_option
@endpoint_option
def finish_command(*, name: str, endpoint_url: str | None) -> None:
    """End the change, once every stream has been taken. There is no way back afterwards."""
    services, control = change_of(name, endpoint_url)
    about_to("generation finish", services, control, endpoint_url)
    control = services.generations.operator.finish()
    console.print(f"{control.active} has every stream; {inactive(control)} may be dropped")


@generation_command.command("abandon")
@stage_option
@endpoint_option
def abandon_command(*, name: str, endpoint_url: str | None) -> None:
    """Give up a generation that is being filled. It leaves no trace in the earlier one.

    Its stacks stay until `leftfold generation drop NAME`. Refused after the first switch.
    """
    found, cloud = stage(name), Cloud(endpoint_url)
    with explained(cloud):
        control = under_way(control_of(found, cloud))
        recorded(
            reach(Current(control.active, "", endpoint_url)),
            "generation abandon",
            str(control.green),
        )
        control = abandon(control_of(found, cloud))
    short = str(control.green).removeprefix(f"{found.prefix}--")
    console.print(f"{control.green} is abandoned; `leftfold generation drop {short}` deletes it")


def check_droppable(control: Control | None, truth: str) -> Control:
    """Control, if no other generation needs a truth any more. Raises DeployError."""
    if control is None or truth not in (control.blue, control.green):
        raise DeployError(f"{truth} is the only truth of its stage; `leftfold destroy` deletes it")
    if control.active == truth:
        raise DeployError(f"{truth} is active; its events are the ones that count")
    if control.state not in ("finished", "abandoned"):
        raise DeployError(
            f"{truth} is part of a change that is {control.state}:"
            " `leftfold generation finish` or `abandon` it first"
        )
    return control


def drop_truth(truth: str, found: Stage, stacks: Stacks) -> None:
    """Takes away a truth that no generation needs, with all its applications; its streams are where
    they were taken. Killed, it may be run again. Raises DeployError.

    Its functions go first. What they have still written is taken; then its tables go, and with them
    the last reason for the other generation to ask for a stream that it has not.
    """
    cloud = stacks.cloud
    control = check_droppable(control_of(found, cloud).read(), truth)
    operator = None
    later = str(control.green)
    if control.state == "finished" and stacks.find(later) is not None:
        operator = reach(Current(later, "", cloud.endpoint_url)).generations.operator
    if stacks.find(f"{truth}-truth") is not None:
        active = reach(Current(control.active, "", cloud.endpoint_url))
        recorded(active, "generation drop", truth)
        register = applications(truth, cloud)
        register.retire()
        for app in register.known().applications:
            stacks.delete(app)
            register.remove(app)
            data_keys(found, cloud).leave(app)
        if operator is not None:
            operator.take(afresh=True)
        delete_kept([(truth, "truth")], stacks)
    for app in applications(control.active, cloud).known().applications:
        stacks.change(app, {"Earlier": "", "EarlierArchive": ""})
