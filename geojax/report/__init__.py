"""The report of a study or of a regression: one HTML file that needs nothing else."""
