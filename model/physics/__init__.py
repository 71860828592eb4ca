"""Patterns as physics: correlation maps, radial profiles, polar unwrap, noise."""
