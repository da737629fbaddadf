"""Experiments, one module each: `run(config, workdir)` runs an experiment and resumes it after an interruption."""
