"""During the beamtime: shots as they come, hits told from empties, read and kept."""
