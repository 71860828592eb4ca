"""What a person touches, and what they decided: project, store, jobs, window, command line."""
