"""The view Map: all shots as points of a plane, and their clusters."""
