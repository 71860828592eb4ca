"""The project folder: shots, labels, classes, people, runs, backups."""
