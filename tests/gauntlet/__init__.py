"""Everything that could cost a label, tried for several minutes."""
