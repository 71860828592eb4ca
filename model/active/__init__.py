"""Active."""
