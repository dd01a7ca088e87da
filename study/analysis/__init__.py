"""What it says: tables, statistics, verdicts."""
