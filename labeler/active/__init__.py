"""Active learning on embeddings: suggestions after every label, what to ask next, the map."""
