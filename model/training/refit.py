"""The head of a trained network once more, on what its body makes of the training shots.

Gradient steps stop before the last layer is at its best, and cannot weigh rare classes and honest
chances against each other. The instant head (`model.active.head`) can: maximum a posteriori, the
network's own layer its prior. Where it is no worse on shots that neither has learnt, it takes the
layer's place, so that predictions, heatmaps and the answer all come from one and the same head.
"""
