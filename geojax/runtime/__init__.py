"""The process and its environment: signals, processes, folders, locks, records, progress, compiled programs."""
