"""What is not on the page: experiments that are not run, and runs that are missing."""

from fer_meta.report.document import Block, Items, Paragraph, Section, Verbatim
from fer_meta.report.load import Results
from fer_meta.report.names import domain_name


def not_run(results: Results) -> Section | None:
    """Experiments of the suite that this bench leaves out, and why."""
    not_run = results.plan.get("not_run", {})
    if not not_run:
        return None
    return Section("Experiments not run", (Items(tuple(f"{key}: {why}" for key, why in not_run.items())),))


def missing(results: Results) -> Section | None:
    """One line per missing run with the reason, and the command that makes them."""
    if not results.missing:
        return None
    blocks: tuple[Block, ...] = (Verbatim("\n".join(_lines(results))),)
    blocks += Paragraph("This fills them:"), Verbatim(results.command)
    return Section(f"Missing: {len(results.missing)} of {len(results.plan['runs'])} runs", blocks)


def _lines(results: Results) -> list[str]:
    return [
        f"{run['experiment']}{': ' if run['experiment'] else ''}{run['method']}, "
        f"{domain_name(results, run['source'])} -> {domain_name(results, run['target'])}, "
        f"{'' if run['fold'] is None else 'fold {}, '.format(run['fold'])}seed {run['seed']}: {why}"
        for run, why in results.missing
    ]
