"""The view Inspect: heat and predictions of a shot, and of many side by side."""
