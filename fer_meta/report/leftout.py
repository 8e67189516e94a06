"""What a reader of the tables must know is not in them: unreadable images, and finished runs that the plan does not name."""

from collections import defaultdict

from fer_meta.report.load import Results

# What of a run a bench's command can name.
OPTIONS = {"seed": "--seeds", "algorithm": "--algorithms", "experiment": "--experiments", "domain": "--domains", "source": "--sources",
           "target": "--targets"}


def left_out_lines(results: Results) -> list[str]:
    """One line per data set with unreadable images, and one about the runs that are not in the plan."""
    return _unreadable(results) + _unplanned(results)


def _unreadable(results: Results) -> list[str]:
    found = defaultdict(int)
    for run in results.runs:
        for name, images in run.unreadable.items():
            found[name] = max(found[name], images)
    return [f"{images:,} image{' of ' if images == 1 else 's of '}{name} {'was' if images == 1 else 'were'} unreadable and left out."
            for name, images in sorted(found.items()) if images]


def _unplanned(results: Results) -> list[str]:
    """One line, with the command that adds the runs whose settings differ from the plan's only in OPTIONS."""
    if not results.unplanned:
        return []
    plan, count = results.plan, len(results.unplanned)
    same = [run for run in results.unplanned if run and (run["suite"], run["preset"]) == (plan["suite"], plan["preset"])]
    line = f"{count} finished run{'s' if count > 1 else ''} in runs/ {'are' if count > 1 else 'is'} not in the plan, and not in these tables"
    more = [f"{option} {','.join(map(str, _named(plan['runs'] + same, name)))}" for name, option in OPTIONS.items()
            if set(_named(same, name)) - set(_named(plan["runs"], name)) and name not in _implied(plan)]
    if not more:
        return [f"{line}: made with other settings than this plan's."]
    return [f"{line}; `{results.command} {' '.join(more)}` adds {'it' if count == 1 else 'them'}, where the other settings are the same."]


def _implied(plan: dict) -> list[str]:
    """Those of OPTIONS that the plan's command need not name: experiments say who is trained and tested on; else all domains are."""
    if plan["experiments"]:
        return ["domain", "source", "target"]
    domains = set(_named(plan["runs"], "domain"))
    return [side for side in ("source", "target") if set(_named(plan["runs"], side)) == domains]


def _named(runs: list[dict], name: str) -> list:
    """Each value once, seeds in order."""
    if name == "domain":
        return list(dict.fromkeys(domain for run in runs for domain in (run["source"], run["target"])))
    values = list(dict.fromkeys(run[name] for run in runs))
    return sorted(values) if name == "seed" else values
