"""The view Quality: a page each for agreement, rules, drift, doubtful labels and the week."""
