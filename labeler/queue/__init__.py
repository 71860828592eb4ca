"""Which shots to go through, in which order: filters, orders, groups."""
