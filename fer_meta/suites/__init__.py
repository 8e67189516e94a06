"""Suite files (*.yaml): what is compared with what."""
