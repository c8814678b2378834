"""The system and the disk: processes, profiles, records; no ipyparallel here."""
