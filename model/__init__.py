"""What works without a person: shots, taxonomy, networks, training, physics. No Qt, no SQL."""
