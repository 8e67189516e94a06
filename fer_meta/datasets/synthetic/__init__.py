"""Faces rendered on the user's machine: the data sets that come with fer-meta, as no face data set may be
shipped.
"""
