"""How good a trained method is."""
