"""The measures that runs are chosen and judged by, for whoever needs their names alone."""

SELECTION = "val_map"
RESULT = "test_map"
