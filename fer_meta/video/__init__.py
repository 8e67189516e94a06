"""Films and uncropped photographs to aligned faces: `fer-meta data prepare`."""
