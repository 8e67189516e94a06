"""What all plots share: nothing is cut off, nothing overlaps, and no axis shows what cannot be."""

import numpy as np
from helpers import stored_results
from matplotlib.backends.backend_agg import FigureCanvasAgg

from fer_meta.report.aggregate.found import find
from fer_meta.report.cells import Names, read_cells
from fer_meta.report.load import read_results
from fer_meta.report.plots import transfer
from fer_meta.report.plots.matrix import Matrix, matrices
from fer_meta.report.plots.panels import panels, quiet, settle
from fer_meta.report.plots.percent import GOES_ON, draw_intervals, keep_to_percent
from fer_meta.report.plots.reading import what_bars_say


def test_a_legend_of_long_labels_stays_within_the_figure():
    figure, axes = panels(2, columns=2, height=3)
    for number in range(13):
        axes[0].plot([0, 1], [0, number], label=f"ProtoNet, learned temperature (linear probe) {number}")
    settle(figure, axes, "Title", legend=3)
    FigureCanvasAgg(figure).draw()
    [legend] = figure.legends
    box = legend.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.x1
    assert box.y1 <= axes[0].get_window_extent().y0


def test_long_labels_of_ticks_do_not_reach_the_label_of_their_axis():
    figure, axes = panels(2, columns=2, height=2)
    for axis in axes:
        axis.plot([1, 2], [0.15995, 0.16005])
        axis.ticklabel_format(axis="y", useOffset=False)
        axis.set_ylabel("loss")
        quiet(axis)
    settle(figure, axes, "Title")
    FigureCanvasAgg(figure).draw()
    for axis in axes:
        label = axis.yaxis.label.get_window_extent()
        ticks = [tick.get_window_extent() for tick in axis.get_yticklabels() if tick.get_text()]
        assert len(ticks) > 1 and label.x1 < min(tick.x0 for tick in ticks) and label.x0 >= 0


def test_an_interval_beyond_0_or_100_ends_there_in_an_arrow():
    _, [axis] = panels(1, columns=1, height=2)
    draw_intervals(axis, [0, 1, 2], [0.1, 0.5, 0.9], [0.2, 0.1, np.nan], fmt="o", color="red")
    keep_to_percent(axis)
    assert axis.get_ylim()[0] == 0 and axis.get_ylim()[1] < 101.6
    [bars] = [found.lines[2][0] for found in axis.containers]
    ends = [sorted(part[:, 1]) for part in bars.get_segments()]
    np.testing.assert_allclose(ends, [[0, 30], [40, 60], [90, 90]])
    [arrow] = [line for line in axis.lines if line.get_label() == GOES_ON]
    assert arrow.get_xydata().tolist() == [[0, 0]] and arrow.get_marker() == "v"


def test_panels_of_the_same_columns_name_them_once():
    panel = Matrix("", ["a"], ["a long name of a column", "b"], np.eye(2)[:1])
    one, four = (
        matrices([panel] * count, "", ("source", "target"), "{:.0f}", "Blues", (0, 1)).get_figheight()
        for count in (1, 10)
    )
    assert four < 2.5 * one


def test_title_and_caption_of_the_ranks_say_the_same_for_few_and_for_many_methods():
    assert "joins" in what_bars_say(16) and "do not touch" in what_bars_say(17)


def test_an_accuracy_hardly_above_chance_is_dark_in_the_matrix_of_transfer(tmp_path):
    results, names = read_results(stored_results.write(tmp_path / "cross-domain", episodes=2)), Names()
    table = find(results, read_cells(results, names), names).scores.assign(accuracy=0.22, chance=0.2)
    [cells, _] = transfer.figure(results, table).axes[0].collections
    assert cells.get_clim() == (20, 100)
