"""Numbers from the cells of a bench: data frames of scores, without words."""
