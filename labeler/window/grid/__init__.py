"""The view Grid: many shots side by side, labelled by selection."""
