"""Active learning on embeddings: instant head, what to ask, forecasts, doubtful labels."""
