"""The view Live: hits of a running beamtime as they come in."""
