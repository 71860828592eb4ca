"""What stands around the views: bar, notes, retrain button, first page, what is remembered."""
