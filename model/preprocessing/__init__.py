"""From the counts of a shot to the input of a network and to the picture on screen."""
