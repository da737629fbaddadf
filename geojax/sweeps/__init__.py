"""Sweeps of work units: engine, executors, ledger of results, costs."""
