"""What many tests make: shots, projects, runs, weeks of labels, windows."""
