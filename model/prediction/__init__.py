"""One pass of a trained network over shots: probabilities, embedding, heatmaps."""
