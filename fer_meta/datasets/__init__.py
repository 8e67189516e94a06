"""One file a data set; each yields the same two things: an index and images."""
