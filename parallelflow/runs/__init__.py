"""What is known of runs: a table of the elements, a report, and the runs of the past."""
