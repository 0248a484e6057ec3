"""`gameday run`: a whole game day, from files to verdicts."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gameday.cli.allowing import allowing
from gameday.cli.edge import EXIT_DIRTY, EXIT_ENVIRONMENT, Context
from gameday.cli.where import EMBEDDED, KIND, cluster_option, refuse_both
from gameday.runner.errors import GamedayError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gameday.runner.blast import Hit
    from gameday.runner.catalogue import Catalogue
    from gameday.runner.folder import ReportFolder
    from gameday.runner.gameday import Outcome
    from gameday.runner.plan import Planned
    from gameday.runner.progress import Progress
    from gameday.runner.rendering import Renderer
    from gameday.runner.single import Stop
    from gameday.runner.target import Target

__all__ = ["run"]


@click.command()
@click.argument("experiments", nargs=-1)
@click.option("--only", multiple=True, metavar="NAME", help="Run what matches this name or glob (repeatable).")
@click.option("--tag", "tags", multiple=True, help="Run what carries this tag (repeatable).")
@click.option("--weakness", "weaknesses", multiple=True, metavar="NAME",
              help="Take this safeguard out of the storefront (repeatable: one run for each). Unless you choose"
                   " experiments, runs those that say they fail then.")  # fmt: skip
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="Storefronts side by side (default: as many as this machine and the cluster carry).",
)
@click.option("--deadline", type=click.FloatRange(min=1), metavar="SECONDS",
              help="Stop the game day after this long: undo, inconclusive.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), help="Repeat a game day's random choices (default: new ones).")
@click.option("--report", type=click.Path(path_type=Path), default=Path("gameday-report"), show_default=True,
              metavar="DIR", help="Where journals and the HTML report go.")  # fmt: skip
@cluster_option("Where: a private embedded cluster (the default), or the kind cluster of 'gameday up', or else one made"
                " for this run.")  # fmt: skip
@click.option("--keep", is_flag=True, help="Keep a kind cluster that had to be made for this run.")
@click.option("--context", help="Run on this cluster instead.")
@click.option("--namespace", help="Attack the storefront that is there, one experiment at a time.")
@click.option("--image", envvar="GAMEDAY_IMAGE", metavar="NAME",
              help="The storefront's image, as your cluster finds it (default: gameday/storefront:dev).")  # fmt: skip
@click.option(
    "--reach",
    type=click.Choice(["auto", "cluster", "nodeport", "port-forward"]),
    default="auto",
    envvar="GAMEDAY_REACH",
    show_default=True,
    help="How to get at the shop: by Service addresses if they lead there from here, else by port-forward.",
)
@click.option("--shop-url", envvar="GAMEDAY_SHOP_URL", metavar="URL",
              help="Where shoppers go instead, with --namespace: your ingress or load balancer.")  # fmt: skip
@click.option("--without-guardian", is_flag=True,
              help="On a cluster that lives on: nobody there undoes the faults should this machine die.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Show the plan, change nothing.")
@allowing
def run(**options: Any) -> int:
    """Run EXPERIMENTS (files, folders or names; default: all) and say honestly whether the shop held.

    Each experiment gets a fresh storefront, and is judged over the whole time its fault was in force. Whatever it
    broke is put back, also when you press Ctrl-C. Exits with the worst verdict of all.
    """
    from gameday.runner.catalogue import find_catalogue
    from gameday.runner.plan import Selection, plan

    _refuse_contradictions(options)
    catalogue = find_catalogue()
    selection = Selection(
        options["experiments"], options["only"], options["tags"], options["weaknesses"], options["allowance"]
    )
    planned = plan(selection, catalogue)
    code: int | None = None
    try:
        with _cluster(options) as named:
            if not options["dry_run"]:
                _tell_children(options, named)
            renderer = _renderer(catalogue, options, named)
            hits = _hits(planned, renderer, named)
            if options["dry_run"]:
                from gameday.cli.output import show_plan

                show_plan(planned, hits)
                return 0
            code = _run(planned, renderer, catalogue, options, named)
    except GamedayError as problem:
        if code is not None:  # the cluster could not be ended, which hides a run that was less bad, but no dirty one
            problem.exit_code = EXIT_DIRTY if code == EXIT_DIRTY else EXIT_ENVIRONMENT
        raise
    return code


@contextlib.contextmanager
def _cluster(options: dict[str, Any]) -> Iterator[Target | None]:
    """The cluster that is meant; None: a private embedded one, which is started later."""
    from gameday.runner.target import existing_for_run, in_namespace

    if options["cluster"] != KIND:
        yield existing_for_run(options["context"], options["namespace"])
        return
    from gameday.cli import kind
    from gameday.runner.interrupts import interruptible
    from gameday.runner.kind.state import State
    from gameday.runner.kind.up import is_whole
    from gameday.runner.target import kind_cluster

    if options["dry_run"]:  # nothing is made for a plan, or ended after it
        yield in_namespace(kind_cluster(), options["namespace"]) if is_whole(State.here()) else None
        return
    with interruptible(), kind.for_a_run(keep=options["keep"]) as made:
        named = in_namespace(made, options["namespace"])
        options["image"] = options["image"] or (named.made.image if named.made else None)
        yield named


def _hits(planned: list[Planned], renderer: Renderer, named: Target | None) -> dict[str, list[Hit]]:
    """What the faults of each run would hit, by its name. Raises InvalidRequest when the caps do not allow it."""
    from gameday.activities.guard import shop_pods
    from gameday.runner import blast

    there = None
    if named is not None and named.namespace is not None:
        there = blast.pods_that_run(shop_pods(named.connect(), named.namespace))
    found = {}
    for one in planned:
        pods = blast.pods_of_manifests(renderer.render(one.weakness)) if there is None else there
        found[one.run_name] = blast.hits(one.experiment, pods)
        blast.check(one.run_name, found[one.run_name])
    return found


def _refuse_contradictions(options: dict[str, Any]) -> None:
    refuse_both(options["cluster"], options["context"])
    if options["cluster"] == EMBEDDED and options["namespace"]:
        raise click.UsageError(
            "--cluster embedded is a new one of the run's own, which has no storefront: leave it out to attack that "
            "of 'gameday up', or leave out --namespace"
        )
    if options["keep"] and options["cluster"] != KIND:
        raise click.UsageError("--keep is for --cluster kind; leave it out")
    if options["namespace"] and options["weaknesses"]:
        raise click.UsageError("--namespace attacks the storefront as it is; --weakness would change it: choose one")
    if options["namespace"] and (options["jobs"] or 1) > 1:
        raise click.UsageError("--namespace runs one experiment at a time; leave --jobs out")
    if options["shop_url"] and not options["namespace"]:
        raise click.UsageError("--shop-url leads to one shop: say with --namespace which, or leave it out")
    if options["shop_url"] and not options["shop_url"].startswith(("http://", "https://")):
        raise click.UsageError(f"--shop-url {options['shop_url']}: expected http:// or https:// in front")


def _run(
    planned: list[Planned], renderer: Renderer, catalogue: Catalogue, options: dict[str, Any], named: Target | None
) -> int:
    """Everything that happens, with the report folder and the signals held."""
    from gameday.cli.consoles import QuietConsole
    from gameday.cli.output import show_results
    from gameday.report.writing import write_report
    from gameday.runner.folder import ReportFolder
    from gameday.runner.gameday import handle_signals
    from gameday.runner.progress import Progress
    from gameday.runner.single import Stop

    stop, console = Stop(), QuietConsole(stderr=True)
    with ReportFolder(options["report"]) as report, handle_signals(stop):
        Context.trace_file = report.path / "gameday.log"
        with Progress(console, Context.trace_file) as progress:
            outcome = _game_day(planned, renderer, catalogue, options, named, (report, stop, progress))
        page = write_report(report.path)
    show_results(outcome, page)
    return outcome.exit_code


def _game_day(
    planned: list[Planned], renderer: Renderer, catalogue: Catalogue, options: dict[str, Any], named: Target | None,
    held: tuple[ReportFolder, Stop, Progress],
) -> Outcome:  # fmt: skip
    """Run the plan on the cluster named, or on a private one that ends with it."""
    from gameday.runner.gameday import GameDay, new_run_id
    from gameday.runner.guardians import guardian
    from gameday.runner.plan import default_deadline_s
    from gameday.runner.target import private

    began = time.monotonic()
    report, stop, progress = held
    embedded = named is None or named.embedded
    jobs = _jobs(len(planned), named, options)
    if embedded and not options["namespace"]:
        _check_machine(planned, renderer, jobs)
    run_id = new_run_id()
    target = named or private(run_id)
    progress.planned(planned, jobs)
    guarded = target.lasting and not options["without_guardian"]
    if target.lasting and not guarded:
        undo = f"gameday revert --context {target.context} --all-namespaces"
        progress.note(f"no guardian watches: should this machine die, faults stay until you say: {undo}")
    if not embedded and target.namespace is None:
        _name_leftovers(target, progress)
    try:
        return GameDay(
            plan=planned,
            target=target,
            renderer=renderer,
            report=report,
            progress=progress,
            stop=stop,
            run_id=run_id,
            seed=options["seed"] if options["seed"] is not None else int.from_bytes(os.urandom(3), "big"),
            jobs=jobs,
            guardian=guardian(catalogue, options["image"]) if guarded else [],
            began=began,
            deadline_s=options["deadline"] or default_deadline_s(len(planned), jobs, embedded=embedded),
        ).run()
    finally:
        target.end()


def _tell_children(options: dict[str, Any], named: Target | None) -> None:
    """Put into the environment what the experiments' processes go by; refuse what an embedded cluster has not.

    Raises InvalidRequest when the cluster named is not reached in the way asked for.
    """
    options["allowance"].into_environment()
    if named is None or named.embedded:
        _leave_out(options, "reach", "auto", "an embedded cluster is reached directly")
        _leave_out(options, "image", None, "an embedded cluster runs this very installation")
    else:
        options["reach"] = _way(named, options["reach"])
    for variable, name in (("GAMEDAY_REACH", "reach"), ("GAMEDAY_SHOP_URL", "shop_url"), ("GAMEDAY_IMAGE", "image")):
        os.environ.pop(variable, None)
        if options[name]:
            os.environ[variable] = options[name]


def _leave_out(options: dict[str, Any], name: str, default: str | None, why: str) -> None:
    """Refuse an option that somebody typed; one of the environment was meant for other runs."""
    typed = click.get_current_context().get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    if typed and options[name] not in (default, "cluster"):
        raise click.UsageError(f"--{name} {options[name]}: {why}; leave it out")
    options[name] = default


def _way(named: Target, asked: str) -> str:
    """The way to the shop, found out once for all experiments, and before anything is made for them."""
    from gameday import reach
    from gameday.runner.errors import InvalidRequest

    kube = named.connect()
    if asked == "auto" and named.made and reach.nodes_answer(kube):
        asked = "nodeport"  # a port-forward of every shopper's connections would be most of what such a machine does
    os.environ["GAMEDAY_REACH"] = asked
    try:
        found = reach.way(kube)
    except reach.ReachError as problem:
        raise InvalidRequest(str(problem)) from problem
    return asked if asked == "nodeport" else found


def _jobs(planned: int, named: Target | None, options: dict[str, Any]) -> int:
    """How many storefronts side by side: as asked, else what this machine and the cluster carry."""
    from gameday.runner.plan import default_jobs

    if options["namespace"]:
        return 1
    most = default_jobs(planned) if named is None or named.embedded else min(default_jobs(planned), named.room())
    return min(options["jobs"] or most, planned)


def _renderer(catalogue: Catalogue, options: dict[str, Any], named: Target | None) -> Renderer:
    """What renders the storefronts."""
    from gameday.runner.kind.images import images
    from gameday.runner.rendering import Renderer

    if options["cluster"] != KIND and (named is None or named.embedded):
        return Renderer(catalogue)
    overlay = "kind" if options["cluster"] == KIND else "plain"
    node_port = options["reach"] == "nodeport"
    return Renderer(
        catalogue, overlay=overlay, image=options["image"], images=images().replacements(), node_port=node_port
    )


def _check_machine(planned: list[Planned], renderer: Renderer, storefronts: int) -> None:
    """Find out before anything is started whether this machine has what so many embedded storefronts need."""
    from gameday.runner.prerequisites import check_machine

    for weakness in dict.fromkeys(one.weakness for one in planned):
        check_machine(renderer.render(weakness), storefronts=storefronts)


def _name_leftovers(target: Target, progress: Progress) -> None:
    """What runs that were killed have left on a cluster that lives on, and how to be rid of it."""
    from gameday.ledger.calls import said
    from gameday.runner.leftovers import all_leftovers
    from gameday.runner.proof import UNREACHABLE

    try:
        found = all_leftovers(target)
    except UNREACHABLE as problem:  # a courtesy: not everybody may list namespaces
        progress.note(f"what killed runs have left cannot be told: {said(problem)}")
        return
    for one in found:
        progress.note(one)
