"""The view Label: one shot, its classes, and the queue beside it."""
