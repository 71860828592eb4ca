"""Reading shots for the window in a child process; thumbnails; numbers per shot."""
