"""A document as Markdown, LaTeX, text for a terminal; numbers as CSV."""
