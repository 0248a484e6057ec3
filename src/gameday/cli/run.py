"""`gameday run`: a whole game day, from files to verdicts."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gameday.cli.edge import Context

if TYPE_CHECKING:
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
@click.option("--jobs", type=click.IntRange(min=1), help="Storefronts side by side (default: one a CPU).")
@click.option("--deadline", type=click.FloatRange(min=1), metavar="SECONDS",
              help="Stop the game day after this long: undo, inconclusive.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), help="Repeat a game day's random choices (default: new ones).")
@click.option("--report", type=click.Path(path_type=Path), default=Path("gameday-report"), show_default=True,
              metavar="DIR", help="Where journals and the HTML report go.")  # fmt: skip
@click.option("--context", help="Run on this cluster (default: a private one that ends with the run).")
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
@click.option("--dry-run", is_flag=True, help="Show the plan, change nothing.")
@click.option("--allow-process", is_flag=True, help="Let experiments run commands on this machine.")
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
        options["experiments"], options["only"], options["tags"], options["weaknesses"], options["allow_process"]
    )
    planned = plan(selection, catalogue)
    if options["dry_run"]:
        from gameday.cli.output import show_plan

        show_plan(planned)
        return 0
    return _run(planned, catalogue, options)


def _refuse_contradictions(options: dict[str, Any]) -> None:
    if options["namespace"] and options["weaknesses"]:
        raise click.UsageError("--namespace attacks the storefront as it is; --weakness would change it: choose one")
    if options["namespace"] and (options["jobs"] or 1) > 1:
        raise click.UsageError("--namespace runs one experiment at a time; leave --jobs out")
    if options["shop_url"] and not options["namespace"]:
        raise click.UsageError("--shop-url leads to one shop: say with --namespace which, or leave it out")


def _run(planned: list[Planned], catalogue: Catalogue, options: dict[str, Any]) -> int:
    """Everything that happens, with the report folder and the signals held."""
    from rich.console import Console

    from gameday.cli.output import show_results
    from gameday.report.html import write_report
    from gameday.runner.folder import ReportFolder
    from gameday.runner.gameday import handle_signals
    from gameday.runner.progress import Progress
    from gameday.runner.single import Stop

    stop, console = Stop(), Console(stderr=True)
    with ReportFolder(options["report"]) as report, handle_signals(stop):
        Context.trace_file = report.path / "gameday.log"
        with Progress(console, Context.trace_file) as progress:
            outcome = _game_day(planned, catalogue, options, (report, stop, progress))
        page = write_report(report.path)
    show_results(outcome, page)
    return outcome.exit_code


def _game_day(
    planned: list[Planned], catalogue: Catalogue, options: dict[str, Any], held: tuple[ReportFolder, Stop, Progress]
) -> Outcome:
    """Find or start the cluster, run the plan on it, and stop the cluster if it is ours."""
    from gameday.runner.gameday import GameDay, new_run_id
    from gameday.runner.plan import default_deadline_s
    from gameday.runner.target import existing_for_run, private

    began = time.monotonic()
    report, stop, progress = held
    named = existing_for_run(options["context"], options["namespace"])
    embedded = named is None or named.embedded
    _tell_children(options, embedded=embedded)
    jobs = _jobs(len(planned), named, options)
    renderer = _renderer(planned, catalogue, options, jobs if embedded else 0)
    run_id = new_run_id()
    target = named or private(run_id)
    progress.planned(planned, jobs)
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
            began=began,
            deadline_s=options["deadline"] or default_deadline_s(len(planned), jobs, embedded=embedded),
        ).run()
    finally:
        target.end()


def _tell_children(options: dict[str, Any], *, embedded: bool) -> None:
    """Put into the environment what the experiments' processes go by; refuse what an embedded cluster has not."""
    if embedded and options["reach"] not in ("auto", "cluster"):
        raise click.UsageError(f"--reach {options['reach']}: an embedded cluster is reached directly; leave it out")
    if embedded and options["image"]:
        raise click.UsageError("--image: an embedded cluster runs this very installation; leave it out")
    for variable, name in (("GAMEDAY_REACH", "reach"), ("GAMEDAY_SHOP_URL", "shop_url"), ("GAMEDAY_IMAGE", "image")):
        os.environ.pop(variable, None)
        if options[name]:
            os.environ[variable] = options[name]


def _jobs(planned: int, named: Target | None, options: dict[str, Any]) -> int:
    """How many storefronts side by side: as asked, else what this machine and the cluster carry."""
    from gameday.runner.plan import default_jobs

    if options["namespace"]:
        return 1
    most = default_jobs(planned) if named is None or named.embedded else min(default_jobs(planned), named.room())
    return min(options["jobs"] or most, planned)


def _renderer(planned: list[Planned], catalogue: Catalogue, options: dict[str, Any], storefronts: int) -> Renderer:
    """What renders the storefronts; `storefronts`: how many of them this machine must carry, 0 for another cluster.

    What cannot be rendered is found out before anything is started.
    """
    from gameday.runner.prerequisites import check_machine
    from gameday.runner.rendering import Renderer

    overlay = "embedded" if storefronts else "plain"
    renderer = Renderer(catalogue, overlay=overlay, image=options["image"], node_port=options["reach"] == "nodeport")
    if not options["namespace"]:
        for weakness in dict.fromkeys(one.weakness for one in planned):
            manifests = renderer.render(weakness)
            if storefronts:
                check_machine(manifests, storefronts=storefronts)
    return renderer


def _name_leftovers(target: Target, progress: Progress) -> None:
    """What runs that were killed have left on a cluster that lives on, and how to be rid of it."""
    from gameday.runner.leftovers import find_leftovers
    from gameday.runner.proof import UNREACHABLE

    try:
        found = find_leftovers(target)
    except UNREACHABLE as problem:  # a courtesy: not everybody may list namespaces
        progress.note(f"what killed runs have left cannot be told: {getattr(problem, 'reason', None) or problem}")
        return
    for one in found:
        progress.note(f"namespace {one.namespace} was left by run {one.run_id}, which is over: {one.delete_command}")
