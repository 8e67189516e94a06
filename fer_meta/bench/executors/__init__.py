"""Ways to do the runs of a plan on a machine."""
