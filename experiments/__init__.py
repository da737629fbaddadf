"""Experiments: each module has `run(config, workdir)`, straight from top to bottom, resumable."""
