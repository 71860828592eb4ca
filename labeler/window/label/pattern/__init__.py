"""The pattern with its levels and the bar of what is drawn."""
