"""What a reader of the tables must know is not in them: unreadable images, the oracle of small targets, and
finished runs that the plan does not name.
"""

from collections import defaultdict

from fer_meta.commands import names_in, seeds_in, seeds_in_words, value_of, with_option
from fer_meta.report.document import Code, Text
from fer_meta.report.load import Results

# Of these a bench may take only some and still share the runs of one that takes all (`settings_hash` of
# `bench.identity.bench_hashes`).
OPTIONS = {"seed": "--seeds", "method": "--methods", "experiment": "--experiments"}
STALE = (
    "made by another version of fer-meta or from another suite file or data: no command shows them; delete"
    " what you no longer need"
)


def left_out(results: Results) -> list[Text]:
    """One line per data set with unreadable images, one per target without the oracle that was asked for, and
    one per command that shows finished runs which are not in the plan.
    """
    lines = _unreadable(results) + results.plan.get("left_out", []) + _unplanned(results)
    return [_with_code(line) for line in lines]


def _with_code(line: str) -> Text:
    """A line in which a command stands between backticks."""
    words, tick, command = line.partition("`")
    command, _, rest = command.rpartition("`")
    return (words, Code(command), rest) if tick else words


def _unreadable(results: Results) -> list[str]:
    found: dict[str, int] = defaultdict(int)
    for run in results.runs:
        for name, images in run.unreadable.items():
            found[name] = max(found[name], images)
    return [
        f"{images:,} image{' of ' if images == 1 else 's of '}{name} {'was' if images == 1 else 'were'}"
        " unreadable and left out."
        for name, images in sorted(found.items())
        if images
    ]


def _unplanned(results: Results) -> list[str]:
    """First the runs that can stand in the same tables, then those of benches with other options, last those
    of no bench of today.
    """
    plan, groups = results.plan, defaultdict(list)
    places = set(map(_place, plan["runs"]))
    for name, run in results.unplanned.items():
        groups[_settings(plan, places, run)].append(run | {"id": name})
    lines = []
    for settings, runs in sorted(
        groups.items(), key=lambda group: (group[0] != plan["settings_hash"], not group[0], group[0])
    ):
        many = len(runs) > 1
        line, them = (
            (
                f"{len(runs)} finished run{'s' if many else ''} in runs/ {'are' if many else 'is'} not in"
                " these tables"
            ),
            "them" if many else "it",
        )
        if not settings:
            lines.append(f"{line} ({'such as ' if many else ''}`{runs[0]['id']}`), {STALE}.")
            continue
        same = settings == plan["settings_hash"]
        shown = plan["runs"] + runs if same else runs
        there = runs + [vars(run) for run in results.runs if same or run.settings_hash == settings]
        command = extended(plan["command"], plan["runs"], runs) if same else _whole(plan["command"], runs)
        anew = len(_asked(command, plan, shown) - set(map(_place, there)))
        more = f" and makes {anew} run{'' if anew == 1 else 's'} anew" if anew else ""
        lines.append(
            f"{line}{'' if same else ', made with other options'}; `{command}` {'adds' if same else 'shows'}"
            f" {them}{more}."
        )
    return lines


def _asked(command: str, plan: dict, runs: list[dict]) -> set[tuple]:
    """The places of the runs that a command plans, as far as these `runs` show what it tests on what: all its
    seeds of all its methods.
    """
    seeds = _seeds_of(command) or plan.get("seeds") or _values(runs, "seed")
    places = dict.fromkeys((run["experiment"], run["source"], run["target"], run["fold"]) for run in runs)
    asked = names_in(value_of(command, OPTIONS["method"]) or "")
    found = set()
    for experiment, *rest in places:
        methods = plan.get("methods", {}).get(experiment) or _values(
            [run for run in runs if run["experiment"] == experiment], "method"
        )
        found |= {
            (experiment, method, *rest, seed)
            for method in methods
            if not asked or method in asked
            for seed in seeds
        }
    return found


def _seeds_of(command: str) -> tuple[int, ...]:
    try:
        return seeds_in(value_of(command, OPTIONS["seed"]) or "")
    except ValueError:  # none, or the command was changed by hand
        return ()


def _settings(plan: dict, places: set[tuple], run: dict) -> str:
    """The `settings_hash` of the bench whose command shows a run; "" where the suite, the code or the data
    have changed since.
    """
    if not run or run["suite_hash"] != plan["suite_hash"]:
        return ""
    # of the same images it would have the name of the plan's
    if run["settings_hash"] == plan["settings_hash"] and _place(run) in places:
        return ""
    return run["settings_hash"]


def _place(run: dict) -> tuple:
    return tuple(run[name] for name in ("experiment", "method", "source", "target", "fold", "seed"))


def extended(command: str, planned: list[dict], more: list[dict]) -> str:
    """The command of a plan with what it needs to take in `more` runs; each run as the plan has it."""
    for name, option in OPTIONS.items():
        if set(_values(more, name)) - set(_values(planned, name)):
            command = with_option(command, option, _in_words(name, planned + more))
    return command


def _whole(planned: str, runs: list[dict]) -> str:
    """A command that shows all of these runs, which share their settings, where the `planned` command keeps
    its results.
    """
    commands = sorted({run["command"] for run in runs})
    command = commands[0]
    if len(commands) > 1:
        for name, option in OPTIONS.items():
            if any(_values(runs, name)):
                command = with_option(command, option, _in_words(name, runs))
    out = value_of(planned, "--out")
    return command if value_of(command, "--out") == out else with_option(command, "--out", out)


def _in_words(name: str, runs: list[dict]) -> str:
    """What an option says of these runs."""
    values = _values(runs, name)
    return seeds_in_words(values) if name == "seed" else ",".join(values)


def _values(runs: list[dict], name: str) -> list:
    """Each value once, seeds in order."""
    values = list(dict.fromkeys(run[name] for run in runs))
    return sorted(values) if name == "seed" else values
