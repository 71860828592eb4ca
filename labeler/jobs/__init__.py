"""Work outside the window: a Job is a child process that runs a subcommand."""
