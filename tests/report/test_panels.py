"""What all plots share: nothing is cut off."""

from matplotlib.backends.backend_agg import FigureCanvasAgg

from fer_meta.report.plots.panels import panels, settle


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
