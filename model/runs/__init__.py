"""The run folder: recipe, checkpoint, predictions file, promotion."""
