"""The paper's tables, measured again on any labelled file and laid beside the paper's numbers."""
