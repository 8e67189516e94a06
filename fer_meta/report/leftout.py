"""What a reader of the tables must know is not in them: unreadable images, the oracle of small targets, and finished runs that the plan does
not name."""

import re
from collections import defaultdict

from fer_meta.report.load import Results

# Of these a bench may take only some and still share the runs of one that takes all (`settings_hash` of `bench.plan.bench_hashes`).
OPTIONS = {"seed": "--seeds", "algorithm": "--algorithms", "experiment": "--experiments"}
STALE = "made by another version of fer-meta or from another suite file or data: no command shows them; delete what you no longer need"


def left_out_lines(results: Results) -> list[str]:
    """One line per data set with unreadable images, one per target without the oracle that was asked for, and one per command that shows
    finished runs which are not in the plan."""
    return _unreadable(results) + results.plan.get("left_out", []) + _unplanned(results)


def _unreadable(results: Results) -> list[str]:
    found = defaultdict(int)
    for run in results.runs:
        for name, images in run.unreadable.items():
            found[name] = max(found[name], images)
    return [f"{images:,} image{' of ' if images == 1 else 's of '}{name} {'was' if images == 1 else 'were'} unreadable and left out."
            for name, images in sorted(found.items()) if images]


def _unplanned(results: Results) -> list[str]:
    """First the runs that can stand in the same tables, then those of benches with other options, last those of no bench of today."""
    plan, groups = results.plan, defaultdict(list)
    places = set(map(_place, plan["runs"]))
    for name, run in results.unplanned.items():
        groups[_settings(plan, places, run)].append(run | {"id": name})
    lines = []
    for settings, runs in sorted(groups.items(), key=lambda group: (group[0] != plan["settings_hash"], not group[0], group[0])):
        many = len(runs) > 1
        line = f"{len(runs)} finished run{'s' if many else ''} in runs/ {'are' if many else 'is'} not in these tables"
        if not settings:
            lines.append(f"{line} ({'such as ' if many else ''}{runs[0]['id']}), {STALE}.")
        elif settings == plan["settings_hash"]:
            lines.append(f"{line}; `{_extended(plan['command'], plan['runs'], runs)}` adds {'them' if many else 'it'}.")
        else:
            lines.append(f"{line}, made with other options; `{_whole(runs)}` shows {'them' if many else 'it'}.")
    return lines


def _settings(plan: dict, places: set[tuple], run: dict) -> str:
    """The `settings_hash` of the bench whose command shows a run; "" where the suite, the code or the data have changed since."""
    if not run or run["suite_hash"] != plan["suite_hash"]:
        return ""
    if run["settings_hash"] == plan["settings_hash"] and _place(run) in places:  # of the same images it would have the name of the plan's
        return ""
    return run["settings_hash"]


def _place(run: dict) -> tuple:
    return tuple(run[name] for name in ("experiment", "algorithm", "source", "target", "seed"))


def _extended(command: str, planned: list[dict], more: list[dict]) -> str:
    """The command of a plan with what it needs to take in `more` runs."""
    for name, option in OPTIONS.items():
        if set(_values(more, name)) - set(_values(planned, name)):
            command = _with(command, option, _values(planned + more, name))
    return command


def _whole(runs: list[dict]) -> str:
    """A command that shows all of these runs, which share their settings."""
    commands = sorted({run["command"] for run in runs})
    if len(commands) == 1:
        return commands[0]
    command = commands[0]
    for name, option in OPTIONS.items():
        if any(_values(runs, name)):
            command = _with(command, option, _values(runs, name))
    return command


def _with(command: str, option: str, values: list) -> str:
    """The command with the option, in the place of one that it has."""
    bare = re.sub(rf"\s{option}(=|\s+)('[^']*'|\S)+", "", command)
    one = "," if option == "--seeds" and len(values) == 1 else ""  # `--seeds 3` are three of them
    return f"{bare} {option} {','.join(map(str, values))}{one}"


def _values(runs: list[dict], name: str) -> list:
    """Each value once, seeds in order."""
    values = list(dict.fromkeys(run[name] for run in runs))
    return sorted(values) if name == "seed" else values
