"""What is open in the window, and every verb that changes it. Qt signals, no widgets."""
