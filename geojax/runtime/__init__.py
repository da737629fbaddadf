"""The process and its surroundings: signals, folders and their locks, records, progress."""
