"""Every file of a results folder, described once: it is written and read by the same description.

One module per file. Nothing here imports torch. What an older version did not write has a default, so that
its results stay readable; a damaged file is an error of one line.
"""
