"""The modes of studies, a file each; study.registry knows them by name."""
