"""The figures of a report, a file each; study.registry knows them by name."""
