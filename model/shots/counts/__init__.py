"""What the numbers of a shot are: markers that are no counts, and whether the others are counts."""
