"""A finished bench given again: if its options and data are as they were, its table is printed and nothing is
done. Nothing here imports torch.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from fer_meta import plugins
from fer_meta.errors import DatasetError, SuiteError
from fer_meta.records.freshness import bench_key, finished_text, read_finished
from fer_meta.runner.options import BenchOptions
from fer_meta.suites import extends
from fer_meta.suites.folders import results_folder
from fer_meta.suites.text import suite_text


def text_of_finished(options: BenchOptions) -> str | None:
    """What the finished bench of these options has to say; None if there is any doubt that there is one."""
    try:
        text, _ = suite_text(options.suite)
        folder = results_folder(options.out, yaml.safe_load(text)["name"], options.preset)
        note = read_finished(folder)
        if note is None:
            return None
        # Half a second (pandas): only where a bench has finished.
        from fer_meta.datasets.registry import locate, names

        folders = {name: locate(name, options.data) for name in note.data}
        same = key_of(options, folders, names(options.data)) == note.made_from
        return finished_text(folder, note) if same else None
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError, DatasetError, SuiteError):
        return None


def key_of(options: BenchOptions, folders: Mapping[str, Path], known: Iterable[str]) -> str:
    """`freshness.bench_key` of a bench that reads `folders` (data set -> place)."""
    files = [
        *extends.files(options.suite),
        *plugins.sources([*(options.methods or ()), options.backbone or ""]),
    ]
    made_of = [suite_text(options.suite)[0], *map(plugins.file_hash, files)]
    return bench_key(options.key(), "\n".join(made_of), folders, known)
