"""One file a data set: where its images lie on disk, and what their names say."""
