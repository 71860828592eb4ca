"""What goes on beside the labelling: training, learning, a watch, backups, other windows."""
