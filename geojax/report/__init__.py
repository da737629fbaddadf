"""The report of a study or of a regression: one self-contained HTML file."""
