"""What a project found, handed to where a facility keeps results: a folder, DAMNIT, Tiled."""
