"""What is on screen, one view a module. A view shows the session and asks it for changes."""
