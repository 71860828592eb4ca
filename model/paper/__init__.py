"""The paper's tables, measured anew on any labelled file and laid beside the paper's numbers."""
