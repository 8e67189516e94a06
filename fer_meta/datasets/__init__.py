"""The data sets: each yields the same two things, an index and images."""
