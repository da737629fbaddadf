"""The process and its environment: signals, other processes, folders and locks, records, progress, compiled programs."""
