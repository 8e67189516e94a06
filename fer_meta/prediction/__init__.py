"""What a stored model says of new pictures, given a few labelled faces."""
