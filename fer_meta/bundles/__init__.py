"""Results as one file that somebody else can check, merge and rank. Nothing here imports torch."""
