"""One file per data set: where its images are on disk, and what their names say."""
