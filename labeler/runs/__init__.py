"""What a training left behind and what it says about every shot."""
