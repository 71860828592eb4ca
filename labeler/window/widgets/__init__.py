"""Small widgets and the theme, shared by all views."""
